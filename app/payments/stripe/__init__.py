"""The payment provider Stripe.

Belongs here: everything that knows Stripe: its entry in the registry (`entry.py`), calls (`provider.py`), amounts
(`amounts.py`), and its SDK's connections and errors (`sdk.py`). Does not belong here: retries (`app/payments/bounded.py`).
"""

NAME = "stripe"  # of the provider, in settings and in stored payments
