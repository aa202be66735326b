"""Documents.

tables       number series, invoices, lines, open balances, settlements, the documents' bytes
seller       who issues: the operator's name, address, tax id, from the settings
issue        draw the next number, copy what is printed, post to the ledger: one transaction
deferral     revenue of days to come: deferred at issue, earned day by day, taken back by credit notes
settle       apply a payment to an invoice
status       Paid, Posted, Unpaid, Overdue: derived by one table of rules, in Python and in SQL
history      what Invoice History shows: filters, sorting, pages, totals
around       what stands around an invoice: the one before and after, the one that billed a setup fee
register     the invoices of all accounts, newest first: for staff
run          the month's invoices from subscriptions, safely repeatable
file         the PDF of an invoice or credit note, typeset once and kept; its UBL
kept         the bytes of every other document as first handed out
bundle       many invoices as one ZIP, made while it is sent
letterhead   who writes to whom on receipts and statements
account_statement, usage_statement   a period on paper
document/    the typesetting, and invoices for machines
"""
