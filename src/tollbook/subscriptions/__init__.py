"""What is charged each period.

tables        components and what an account has subscribed to
component     what can be subscribed to: offer it, withdraw it
subscribe     start, change the quantity of, and end a subscription; setup fees
fees          recurring and setup fees of an account: lines, totals, period, next charge
"""
