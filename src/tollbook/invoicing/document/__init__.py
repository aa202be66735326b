"""An invoice on paper: what it prints, and the PDF made of it. No database, no clock, no network.

paper        everything a document prints, copied at the moment of issue; its sums are checked
figures      amounts, quantities and days as text in the reader's locale
typeset      Paper -> PDF/A-3 bytes, the same bytes at every call
invoice.typ  the layout; it receives the paper as data and never as source
fonts/       the only typefaces used (see fonts/README.md)
"""
