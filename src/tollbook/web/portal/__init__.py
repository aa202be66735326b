"""The door for account users.

page            @page: sign-in, access, the account's rows, around every view
denied          the page for someone without access
home            the start page
billing         the way into Billing: the tabs, the strip of figures
invoices        Invoice History, and its CSV; invoice_filter reads the address
invoice         one invoice: page, PDF, lines as CSV
subscriptions   recurring and setup fees, the next charge
users           who is in the account: invite, level, deactivate
access          the Access Control List, requests for access
trail           who changed what
urls            all addresses
"""
