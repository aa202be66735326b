"""Stripe, by its official SDK, behind the port `payments.gateway`.

adapter      the port's methods: charges, refunds, disputes, lists, hosted pages
client       the SDK as Tollbook uses it: bounded in time, repeating nothing, never inside a transaction
answers      what Stripe's objects and errors mean in the port's words
units        amounts as Stripe counts them
customers    which of Stripe's customers stand for an account
signature    whether a webhook comes from Stripe, and what it is about
"""
