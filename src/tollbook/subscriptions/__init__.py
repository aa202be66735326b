"""What is charged each period.

tables        components and what an account has subscribed to
price         charge models: what a quantity costs for a whole period
component     what can be subscribed to: offer it, price it from a day on, withdraw it
subscribe     start a subscription: what is agreed
change        what is recorded later: quantity, price, discount, pause, end; taken back while it lies ahead
commitment    the least that an account pays each period
record        what is recorded of many accounts, read in a few statements
plan          what that amounts to on each day of a period
lines         a period's fee, and what a change gives back and adds
charge        one line to be billed, and the lines that fall due together
due           what is to be billed: every charge of many accounts up to a day
preview       the next invoice, and what a change would make of it
include       credit that is included each month, granted to wallets
history       what was recorded, as sentences
fees          what pages show: recurring and setup fees, totals, period, next charge
"""
