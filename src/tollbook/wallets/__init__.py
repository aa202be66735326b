"""Prepaid money, one wallet per account and credit type.

tables     wallets, holds and what moved them
wallet     open an account's wallets, find and lock them
spend      debit for usage: granted credit first; never refused, never waits
credit     fund, grant, correct
hold       set money aside for something in progress: place, extend, release, expire
gauge      what a bar shows: balance, held, available, used since the last funding
history    the running record of a wallet with before and after, and its balance over time
"""
