"""What people and their machines are told: by mail and by signed webhooks, once for each thing that happened.

tables     notices, deliveries, attempts; who gets what; endpoints; levels of wallets
kinds      the catalogue: what can be told, to whom by default
levels     low balance: the levels of a wallet, and which of them it fell through
observe    what happened since the last look, read from the tables of the packages below
people     who gets which mail
endpoint   webhook endpoints: add, change, rotate the secret, switch off and on, remove
secret     an endpoint's secret, derived and never stored; the signature of a message
notify     a notice and its deliveries, written in one transaction; one look at everything
words      a notice as a person reads it, in their account's figures and days
mail       a notice as a message, and its way through the mail server
address    where a webhook may go: no way into the operator's own network
post       one request to one checked address, bounded in time and size
deliver    what is due is sent, outside of any transaction; what became of it is written down
log        the delivery log: look, send again, send a test
"""
