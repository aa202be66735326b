"""What was consumed.

tables      usage events, what they were rated with, roll-ups
event       one thing consumed, as its sender tells it; what makes it acceptable
record      a batch in: deduplicate, rate, debit, in one transaction per account
rehearse    what recording a batch would answer
reserve     hold what something about to happen, or going on, will cost
reverse     a correction: an event that takes another one back
capture     a hold becomes its usage events
statement   events and sums read back: days, what a transfer consists of, one event with its arithmetic
owed        what a batch owes the roll-ups, packed
fold        roll-ups by campaign, agent and country, caught up from the backlog
breakdown   usage by campaign, agent, country or type, per hour, day or in total
archive     old months out of the table into files, proven first; their keys stay for ever
archived    archived events as recording knows them: by their keys, without their files
shelf       archived months read back: which files there are, pages and events from them
parquet     one such file: its columns, written and read in pieces
details     events as their debit seals them
pace        how fast money is being spent, and when it will be gone
import_cdr  call records of a switch, from a file, in chunks that survive an interrupt
summary     what an import did
rejects     records that could not be taken, written out to be mended
importers/  one reader per file format
"""
