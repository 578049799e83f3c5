"""What callers can ask for: short methods that authorise, load, have the domain decide, and answer with domain values.

Belongs here: the order of these steps. Does not: rules (`app/domain`), statements (`app/store`), messages (`app/rpc`).
"""
