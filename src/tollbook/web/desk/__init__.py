"""The operator's staff: find anything, and change it by the domain's own verbs, each after a review.

page       who is let in, and as whom they act
steps      a form, its review, its confirmation: nothing happens before the last
fields     amounts, reasons, days: fields that say what to write
lists      pages of a list; the audit trail at the end of a page
home       where staff begin; the search box
accounts   accounts: list, open, one account, its facts, its trail
wallets    one wallet: its record, adjustments
corrections  take a usage event back
users      people: list, add, level, deactivate, links
rates      rates: list, give a new one, what a number costs
subscriptions  components; what an account subscribes to
invoices   invoices of all accounts; one invoice; a bank transfer
refill     one refill: why, settled by a person; an account\'s limit
refills    refills that need a person, stops, the kill switch
alerts     what staff are told; endpoints and delivery logs of all
keys       API keys
"""
