"""Who there is and what each may do.

tables      account, user, access grants and requests, API keys, remembered answers, audit trail
account     open an account, change its facts, find one
directory   ids of accounts by their short names, remembered
level       the order of levels, who stands above whom, the lock for decisions about rights
user        add, invite, change level, deactivate: who may do that to whom
access      the ACL: areas, Read and Write, who may grant what; asking for access
key         API keys: made, shown once, checked, revoked
remember    answers remembered by Idempotency-Key, in the transaction of what they answer for
audit       the append-only trail of who changed what, before and after
"""
