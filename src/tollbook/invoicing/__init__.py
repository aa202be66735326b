"""Documents.

tables       number series, invoices, credit notes, lines, open balances, settlements, drafts, runs, the documents' bytes
seller       who issues, to whom: profiles with their series, copied onto documents
seller_profile   the sellers that staff keep
tax          what applies to a buyer, and the one function that computes a document's sums; a port for a tax service
tax_rules    the rules of tax that staff keep
issue        one invoice or a thousand: tax, ledger, a block of numbers, copies of what is printed: one transaction
credit_note  correct an invoice, line by line, never by more than is left
given_back   days given back and credit notes: of a period, never more than it was charged
write_off    give up what is owed, and expect it again
drafts       invoices to be, that a person looks at first
deferral     revenue of days to come: deferred at issue, earned day by day, taken back by credit notes
settle       apply a payment to an invoice
status       Paid, Posted, Unpaid, Overdue, Written off: derived by one table of rules, in Python and in SQL
history      what Invoice History shows: filters, sorting, pages, totals
around       what stands around an invoice: the one before and after, the one that billed a setup fee
register     the invoices of all accounts, newest first: for staff
run          the invoices of subscriptions, in parts that any number of workers share, each charge once
progress     how far billing runs are, and what they did
file         the PDF of an invoice or credit note, typeset once and kept; its UBL
kept         the bytes of every other document as first handed out
bundle       many invoices as one ZIP, made while it is sent
letterhead   who writes to whom on receipts and statements
account_statement, usage_statement   a period on paper
document/    the typesetting, and invoices for machines
"""
