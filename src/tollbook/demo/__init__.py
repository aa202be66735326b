"""The demo: a contact centre to look at, made of records that look real.

generator   a month of call records and messages as files, the same ones for the same seed
rhythm      when people call: business hours, lunch, weekends, campaign bursts
cast        who calls whom: agents, campaigns, queues, numbers (all fictional)
asterisk    calls as Asterisk writes them
freeswitch  calls as FreeSWITCH writes them, as CSV and as JSON
messages    email, SMS, voicemail drops, transcriptions and AI conversations in Tollbook's own format
"""
