"""Wallets refill themselves by card; every decision moves money at most once.

tables     rules, refills, stops, the kill switch
rule       Refill Amount, Minimum Before Refill, caps: change them, say what would happen
due        which wallets are at or below their minimum and have no open refill
brakes     what may stop a refill, and why
run        one refill, step by step: decided, charging, settled
history    what happened, with the reason, for pages and audits
"""
