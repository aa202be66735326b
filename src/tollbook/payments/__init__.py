"""Card money.

tables       payment methods, payments, the simulated gateway's own memory, what gateways told
gateway      the port: what a gateway must answer; the one place from which gateways are called
install      this installation's name at gateways
simulated    a gateway that moves no money, deterministic, with cards that succeed and cards that decline
stripe       Stripe, by its official SDK
manual       bank transfers that staff recorded, in the port's words
method       an account's cards: add, choose the default, remove
inbox        what gateways tell: stored once, acknowledged at once, looked into later
told         what a webhook points at, as its gateway has it now, taken the same way as any other answer
receive      a captured charge becomes a payment in the books, once
transfer     a bank transfer that a person saw arrive: received and applied to its invoice, once
attempts     how often a card was tried, over everything it is charged for
intent       a wish to have an invoice paid by card: committed first, checked again when money would move
captured     a gateway's answer about it becomes what it means, once
collect      payments moved on step by step, asked for by a person or by the schedule
dunning      when invoices are charged by themselves, and which need a person
person       what a person settles: payments of which the gateway does not tell, or tells something that can't be
questions    what a person is asked: each question until it is answered, and only what was shown is answered
found        what became of a charge: by its key, and by its name once the gateway has told of it
seen         what a person saw on a gateway's dashboard, held against what the gateway itself says
credit       account credit: what was paid and is not needed yet
refund       money given back, never more than was captured
dispute      a payment that is contested: frozen, lost, won
reconcile    a gateway's list compared with the books for a period, both ways
applied      the payments behind an invoice: when, with what, by whom
receipt      a payment on paper
"""
