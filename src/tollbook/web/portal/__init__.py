"""The door for account users.

page            @page: sign-in, access, the account's rows, around every view
denied          the page for someone without access
home            the start page
billing         the way into Billing: the tabs, the strip of figures
invoices        Invoice History, and its CSV; invoice_filter reads the address
invoice         one invoice: page, PDF, lines as CSV
subscriptions   recurring and setup fees, the next charge
credits         Minutes/Credits: bars, table, the last 30 days
bars            its rows, the same for the page and for its stream
stream          the rows as server-sent events: who may follow, and the line that is kept open
hub             one process's streams: woken once, read once, told to all
wallet          one wallet: its numbers, its balance over time, its ledger
events          single calls and messages, opened to their arithmetic
where           usage cost by campaign, agent, country: bars, table, CSV
statement       a period's statement, from the books
refills         the refill part of a wallet's page; all its refills
refill_rule     change a rule: form, review, confirm
refill_now      a refill by hand: amount, review, confirm
payment_methods the account's cards: add on the gateway's page, default, backup, remove
refill_why      why a charge happened; confirm it, give it up
about_wallet    what the pages about one wallet share
rates           the rate card; what a number would cost
alerts          who gets which mail, low balance levels, webhook endpoints, the delivery log
days            a filter by local days
words           usage, rates and movements in words
users           who is in the account: invite, level, deactivate
access          the Access Control List, requests for access
trail           who changed what
urls            all addresses
"""
