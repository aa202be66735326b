"""Machines' door: the API of a switch, a dialer, an operator's own systems. JSON in, JSON out, errors per RFC 9457.

app            the application: routes, limits, the OpenAPI document
edge           around every request: its id, one line of log, headers
threads        the bounded pool in which handlers use the database
auth           whose key it is, what it is for, which accounts it reaches
bodies         what is sent: decoded without a float ever touching an amount
idempotency    a repeated request with its Idempotency-Key gets its first answer
numbers        how amounts and quantities are written in answers
problems       every error as application/problem+json
usage          POST /usage
corrections    events of POST /usage that take others back
cloudevents    CloudEvents 1.0 as usage events
holds          POST /holds, extend, capture, release
wallets        wallets, refill rules, refills
events         debited events: JSON pages, NDJSON, CSV
breakdown      usage by campaign, agent, country or type
statement      opening balance, movements and closing balance of each wallet
tables         JSON, or lines as NDJSON or CSV, by Accept
ledger         transfers with before and after
invoices       invoices, opened, as PDF
subscriptions  recurring and setup fees
rates          rate this number
pages          keyset pages: {items, next}
openapi        the OpenAPI document, derived from the routes
examples       a true example of every call
gateways       where payment gateways tell what happened
health         /healthz and /readyz
"""
