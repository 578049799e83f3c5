"""Stripe's amounts: its unit of each currency, and the charges that it accepts.

Belongs here: what docs.stripe.com/currencies says (zero-decimal and three-decimal currencies, special cases, minimum and
maximum charge amounts), read in November 2026. Does not belong here: calls (`provider.py`), errors (`sdk.py`).

Stripe's amounts are in minor units as Money's are, except for these:

    currency             Stripe's amount                            so our minor units are
    -------------------  -----------------------------------------  --------------------------
    ISK, UGX             with two decimals that are always 00       whole, sent times a hundred
    MGA                  without decimals                           multiples of a hundred
    BHD JOD KWD OMR TND  with three decimals, of which the last 0   multiples of ten

UGX is also in the list of zero-decimal currencies; its special case is the newer text and says what the API accepts: 500 for
UGX 5. HUF and TWD are charged with two decimals; that they are paid out in whole units is between Stripe and the operator.
"""

from collections.abc import Mapping

from app.domain.amounts import AmountRules, CurrencyRule
from app.domain.money import Money
from app.ports.payment_provider import Rejected

# The presentment currencies. An account may have fewer: only Stripe knows, and answers with an error that becomes Rejected.
_CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP
    CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY
    KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK
    NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TND TOP
    TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
    """.split()
)
# Eight digits in Stripe's units; IDR has twelve.
_AMOUNT_MAX = 99_999_999
_AMOUNTS_MAX: Mapping[str, int] = {"IDR": 999_999_999_999}
# The smallest charges, in Stripe's units. For other currencies Stripe converts and compares with the smallest charge of the
# account's own currency, which only Stripe knows: its error becomes Rejected.
_AMOUNTS_MIN: Mapping[str, int] = {
    "AED": 200,
    "AUD": 50,
    "BGN": 100,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 1_500,
    "DKK": 250,
    "EUR": 50,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17_500,
    "INR": 50,
    "JPY": 50,
    "MXN": 1_000,
    "MYR": 200,
    "NOK": 300,
    "NZD": 50,
    "PLN": 200,
    "RON": 200,
    "SEK": 300,
    "SGD": 50,
    "THB": 1_000,
    "USD": 50,
}
# Currencies with other units than ours: so many of Stripe's units are so many of ours.
_UNLIKE_UNITS: Mapping[str, tuple[int, int]] = {"ISK": (100, 1), "UGX": (100, 1), "MGA": (1, 100)}
_STEPS_MINOR: Mapping[str, int] = {"MGA": 100, **dict.fromkeys("BHD JOD KWD OMR TND".split(), 10)}


def _rule(currency: str) -> CurrencyRule:
    theirs, ours = _UNLIKE_UNITS.get(currency, (1, 1))
    step = _STEPS_MINOR.get(currency, 1)
    most = _AMOUNTS_MAX.get(currency, _AMOUNT_MAX) * ours // theirs
    least = _AMOUNTS_MIN.get(currency, 1) * ours // theirs
    return CurrencyRule(step, max(step, least), most // step * step)


STRIPE_AMOUNTS = AmountRules(
    CurrencyRule(charge_minor_max=_AMOUNT_MAX),
    {currency: _rule(currency) for currency in {*_AMOUNTS_MAX, *_AMOUNTS_MIN, *_UNLIKE_UNITS, *_STEPS_MINOR}},
    _CURRENCIES,
)


def stripe_amount(amount: Money) -> int:
    """Convert an amount to Stripe's units. Raise Rejected for an amount that has no whole number of them."""
    step = STRIPE_AMOUNTS.rule(amount.currency).step_minor
    if amount.minor % step:
        raise Rejected(f"{amount}: Stripe takes multiples of {Money(step, amount.currency)} only")
    theirs, ours = _UNLIKE_UNITS.get(amount.currency, (1, 1))
    return amount.minor * theirs // ours
