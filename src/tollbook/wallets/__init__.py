"""Prepaid money, one wallet per account and credit type.

tables     wallets, holds and what moved them
wallet     open an account's wallets, find and lock them
spend      debit for usage: granted credit first; never refused, never waits
credit     fund, grant, correct
grant      how much of what was asked for can be granted: pure arithmetic
reserve    set money aside for something in progress: place, extend, many at once
held       what is held, in the database: locks, and changes written at once
hold       what a hold is, and how it ends: captured, released, expired
gauge      what a bar shows: balance, held, available, used since the last funding
statement  what a period brought to each wallet and took from it
history    the running record of a wallet with before and after, and its balance over time
"""
