"""Wallets refill themselves by card; every decision moves money at most once.

tables     rules, refills, stops, the kill switch
rule       Refill Amount, Minimum Before Refill, caps: change them, say what they mean and would do
rehearsal  last month's use replayed against a rule
switch     the operator's kill switch
due        which wallets are at or below their minimum, which refills are unfinished
limits     what no customer sets: an account's money a month, everybody's an hour
facts      what brakes look at, read in one moment and kept with the refill
brakes     what may stop a refill, and why; which card is charged
card       a card is removed when nothing is under way with it
health     whether a gateway answers, as far as this process has seen
stops      the visible state of a wallet that is due and stopped; a person's release
decide     an intent, committed before any gateway hears of it
send       an intent becomes a charge: once, and only if it still holds
settle     a gateway's answer becomes invoice, payment and credit, in one transaction
person     what a person settles: what the gateway does not tell, or tells wrongly
run        one refill moved on by a step; everything that is due
standing   how each wallet's refills stand now: rule, stop, what is under way
why        everything about one refill: why this charge happened
history    what happened, with the reason, for pages and audits
"""
