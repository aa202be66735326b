"""An invoice on paper: what it prints, and the PDF made of it. No database, no clock, no network.

paper        everything a document prints, copied at the moment of issue; its sums are checked
figures      amounts, quantities and days as text in the reader's locale
typeset      Paper -> PDF/A-3 bytes, the same bytes at every call
sheet        the same for receipts and statements: a table of finished texts
letters      what may stand in a document at all
einvoice/    the paper for machines: Factur-X inside the PDF, UBL beside it
frame.typ    what every layout has; they receive the paper as data and never as source
invoice.typ  invoices and credit notes
sheet.typ    receipts and statements
fonts/       the only typefaces used (see fonts/README.md)
"""
