"""HTTP and nothing else: parse, one domain call, answer.

asgi      the application: machines' door, people's doors, static files, health
urls      people's addresses: sign-in, portal/, desk/
sign_in   who may sign in, and the way back to the page that was asked for
declared  what every page says about who may open it
frame     what surrounds every page: menu, operator, pages for when things go wrong
errors    domain error → status, one table
formats   values as people read them; templatetags/ gives them to pages
sheets    CSV downloads of any length, safe in a spreadsheet
alerts    what the pages about alerts share, in the portal and on the desk
audited   the lines of the audit trail as people read them
cards     an account's cards as rows of a table, for its own people and for staff
gauges    a wallet as a bar and a row, the same for a page and its live stream
charts    the geometry of charts drawn as SVG
brand     the operator's colour, kept readable in light and dark
portal/   account users: Billing, Users, access
desk/     the operator's staff
api/      machines: usage, holds, wallets, invoices
"""
