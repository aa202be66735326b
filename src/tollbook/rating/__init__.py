"""What a unit costs.

tables     credit types, rates, rate versions
price      pure arithmetic: billed quantity and cost of one quantity under one rate
segments   how many parts a text message has (GSM-7, UCS-2)
deck       the rates of an account, compiled for longest-prefix look-up in memory
card       what an account pays now: the rate card; which rate a number would get
set_rate   give a new rate from an instant on; the one before it ends there
"""
