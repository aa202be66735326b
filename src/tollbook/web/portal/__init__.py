"""The door for account users.

page      @page: sign-in, access, the account's rows, around every view
denied    the page for someone without access
home      the start page
billing   the way into Billing: the tabs, the strip of figures
users     who is in the account: invite, level, deactivate
access    the Access Control List, requests for access
trail     who changed what
urls      all addresses
"""
