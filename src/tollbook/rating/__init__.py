"""What a unit costs.

tables       credit types, rates, rate versions
price        pure arithmetic: billed quantity and cost under one rate, one at a time or many at once
charges      other price models: packages, tiers, percentages: pure arithmetic
segments     how many parts a text message has (GSM-7, UCS-2)
destination  numbers and prefixes as keys that sort as dialled digits do
compiled     one owner's rates in columns, searched by numpy: pure arithmetic, too
deck         the rates of accounts, read from the database, kept per process, looked up
card         what an account pays now: the rate card; which rate a number would get
quote        what something would cost, without debiting it
country      which country a number belongs to (countries.tsv)
sheet        a carrier's rate sheet (CSV) as lines of a deck
import_deck  give a whole deck at once; say before what it would change
set_rate     give a new rate from an instant on; the one before it ends there
"""
