"""Payment providers: who holds, takes and gives back money.

One module for each provider, what they have in common, and the bounds on calling any of them. Bookings belong elsewhere: a
provider knows keys, amounts and tokens.
"""
