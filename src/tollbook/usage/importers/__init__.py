"""Call-record files into events: every row becomes an event, a skip with its reason, or an error with its reason.

formats         the names people type and the reader behind each
asterisk        cdr_csv's Master.csv
freeswitch_csv  mod_cdr_csv's default templates
freeswitch_json mod_json_cdr's records
ndjson          Tollbook's own: the API's events, one per line
legs            what the switches' formats do alike with a leg
direction       which credit type a call leg uses, or that it is an internal half; the operator's rules file
row             what every reader yields, and the settings it reads with
fields          text, numbers and times as switches write them, made fit for the database
json_stream     JSON objects of a file, however they are laid out
lines           lines of a file with bounded memory
"""
