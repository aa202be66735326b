"""Pure arithmetic: no database, no clock, no I/O.

amount     exact decimals, the one rounding rule, minor units, splitting without losing a cent
period     billing periods computed from the anchor
written    money as people read it
"""
