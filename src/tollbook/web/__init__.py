"""HTTP and nothing else: parse, one domain call, answer.

asgi      the application: machines' door, people's doors, static files, health
errors    domain error → status, one table
portal/   account users: Billing, Users, access
desk/     the operator's staff
api/      machines: usage, holds, wallets, invoices
"""
