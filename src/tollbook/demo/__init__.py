"""The demo: a believable operator, two customers, a month of calls, and traffic that never stops.

load        puts it there, once: people, prices, past, records
operator    who issues the invoices
people      accounts and users
prices      default rates and a small prefix deck
past        subscriptions, a year of invoices, cards, refill rules
corrected   tax, a second seller, a credit note, a draft
ahead       changes that are agreed, a least sum
told        who is told what
generator   a month of call records and messages as files, the same ones for the same seed
rhythm      when people call: business hours, lunch, weekends, campaign bursts
cast        who calls whom: agents, campaigns, queues, numbers (all fictional)
asterisk    calls as Asterisk writes them
freeswitch  calls as FreeSWITCH writes them, as CSV and as JSON
messages    email, SMS, voicemail drops, transcriptions and AI conversations in Tollbook's own format
traffic     live traffic through the public API
"""
