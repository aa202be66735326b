"""What was consumed.

tables      usage events, what they were rated with, roll-ups
event       one thing consumed, as its sender tells it; what makes it acceptable
record      a batch in: deduplicate, rate, debit, in one transaction per account
rehearse    what recording a batch would answer
reserve     hold what something about to happen, or going on, will cost
reverse     a correction: an event that takes another one back
capture     a hold becomes its usage events
statement   events and sums read back: days, what a transfer consists of, one event with its arithmetic
fold        roll-ups by campaign, agent and country, caught up from the backlog
breakdown   usage by campaign, agent, country or type, per hour, day or in total
pace        how fast money is being spent, and when it will be gone
import_cdr  call records of a switch, from a file, in chunks that survive an interrupt
summary     what an import did
rejects     records that could not be taken, written out to be mended
importers/  one reader per file format
"""
