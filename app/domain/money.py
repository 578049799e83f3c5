"""Amounts of money in whole minor units (cents), never in floating point.

Belongs here: the value and its text. Does not belong here: prices, payments.
"""

from app.domain.values import value

# ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


def minor_digits(currency: str) -> int:
    """Return how many decimal places the minor unit of `currency` (three letters, ISO 4217) has: 2 for USD, 0 for JPY."""
    return _MINOR_DIGITS.get(currency, 2)


@value(frozen=True, slots=True)
class Money:
    """`minor` whole minor units of `currency` (three letters): Money(2000, "USD") is twenty dollars."""

    minor: int
    currency: str

    def __str__(self) -> str:
        digits = minor_digits(self.currency)
        whole, part = divmod(self.minor, 10**digits)
        return f"{self.currency} {whole}.{part:0{digits}d}" if digits else f"{self.currency} {whole}"
