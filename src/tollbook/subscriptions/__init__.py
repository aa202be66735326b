"""What is charged each period.

tables        components and what an account has subscribed to
component     what can be subscribed to: offer it, withdraw it
subscribe     start, change the quantity of, and end a subscription; setup fees
charge        one line to be billed, and the lines that fall due together
due           what is to be billed: every charge of many accounts up to a day
fees          recurring and setup fees of an account: lines, totals, period, next charge
"""
