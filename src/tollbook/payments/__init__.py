"""Card money.

tables       payment methods, payments, the simulated gateway's own memory
gateway      the port: what a gateway must answer; the one place from which gateways are called
simulated    a gateway that moves no money, deterministic, with cards that succeed and cards that decline
method       an account's cards: add, choose the default, remove
receive      a captured charge becomes a payment in the books, once
transfer     a bank transfer that a person saw arrive: received and applied to its invoice, once
applied      the payments behind an invoice: when, with what, by whom
"""
