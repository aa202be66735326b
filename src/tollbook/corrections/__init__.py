"""Corrections of what was invoiced, and what becomes of the money that was paid for it.

correct    a credit note or a write-off, as staff ask for it: frees what was paid, then keeps it as credit or gives it back
give_back  what waits to be given back for days, as credit notes of the invoices that bore the fee
"""
