"""Payment providers: who holds, captures and refunds money.

Belongs here: one module or folder for each provider, the registry of providers, and the decorators around any of them (retry
bounds, observation). Does not belong here: bookings. A provider knows keys, amounts and tokens.
"""
