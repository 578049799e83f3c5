"""The check of keys and amounts that every provider makes before it asks anybody.

Belongs here: what no provider takes. Does not belong here: the amounts of one provider (its `AmountRules`).
"""

import re

from app.domain.amounts import AMOUNT_MINOR_MAX
from app.domain.money import Money
from app.ports.payment_provider import Rejected

# Keys travel in HTTP headers and search queries. Stripe's limit is 255; providers may append something of their own.
_KEY = re.compile(r"[A-Za-z0-9._:/#-]{1,200}")


def require_valid_request(key: str, amount: Money | None = None) -> None:
    """Raise Rejected for a key or an amount that no provider takes."""
    if _KEY.fullmatch(key) is None:
        raise Rejected("a key has 1 to 200 letters, digits and . _ : / # -")
    if amount is not None and not 1 <= amount.minor <= AMOUNT_MINOR_MAX:
        raise Rejected(f"{amount}: an amount has at least one minor unit, and at most {AMOUNT_MINOR_MAX}")
