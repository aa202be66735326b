"""Corrections of what was invoiced, and what becomes of the money that was paid for it.

correct    a credit note or a write-off, as staff ask for it: frees what was paid, then keeps it as credit or gives it back
"""
