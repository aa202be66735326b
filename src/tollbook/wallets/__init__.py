"""Prepaid money, one wallet per account and credit type.

tables     wallets, holds and what moved them
wallet     open an account's wallets, find and lock them
spend      debit for usage: granted credit first; never refused, never waits
credit     fund, grant, correct
hold       set money aside for something in progress: place, extend, release, expire
gauge      what a bar shows: percentage used, held, since when, how long it lasts
"""
