"""Every movement of money, twice: append-only double entry, chained per wallet.

tables     ledger accounts, transfers, entries
post       the only way in: checks that entries sum to zero, chains, inserts
chain      the digest of a transfer, and how anyone can verify it
trace      the transfers behind a document or an event, with both sides
balance    what an account of the ledger held, now or as of an instant
journal     the transfers of an account with their entries, newest first
"""
