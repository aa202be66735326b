"""What finance reads: figures over a period, for all accounts or one, that agree with the books to the last digit.

days          a period of whole days, as the reports and exports know it
rollforward   prepaid credit: opening + top-ups - usage - refunds - expiries = closing, per credit type
revenue       deferred and recognised revenue, day by day; what is left, and when it will be earned
aging         what customers owe, by how long it has been due
journal       every entry of the books with ids that never change; and one journal a day, in cents
layouts       the same as files: plain CSV, and what QuickBooks and Xero import
chart         how accounts of the books are called in the operator's own chart of accounts

Reports read; nothing here writes. Each takes one snapshot, so its figures belong together.
"""
