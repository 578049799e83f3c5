"""Which amounts a payment provider can move: its steps, smallest and largest charges, by currency.

Belongs here: the rules as values, and what they make of an amount. Does not: any provider's own rules (`app/payments`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.limits import FARE_MINOR_MAX, PASSENGERS_PER_BOOKING_MAX
from app.domain.money import Money
from app.domain.values import value

# The largest amount that anything here can cost.
AMOUNT_MINOR_MAX = FARE_MINOR_MAX * PASSENGERS_PER_BOOKING_MAX


@value(frozen=True, slots=True)
class CurrencyRule:
    """How a provider takes one currency, in our minor units: amounts are multiples of `step_minor`, charges from
    `charge_minor_min` to `charge_minor_max`. Refunds have no smallest amount but the step.
    """

    step_minor: int = 1
    charge_minor_min: int = 1
    charge_minor_max: int = AMOUNT_MINOR_MAX


_USUAL = CurrencyRule()


@dataclass(frozen=True, slots=True)
class AmountRules:
    """The rules of one provider: `usual` holds for every currency that has none of its own.

    `currencies` are those that it takes at all, None for any.
    """

    usual: CurrencyRule = _USUAL
    by_currency: Mapping[str, CurrencyRule] = field(default_factory=dict)
    currencies: frozenset[str] | None = None

    def rule(self, currency: str) -> CurrencyRule:
        """The rule of a currency (three letters, ISO 4217)."""
        return self.by_currency.get(currency, self.usual)

    def problem_of_charge(self, amount: Money) -> str:
        """Why this amount cannot be charged, in a line for people; empty where it can."""
        if self.currencies is not None and amount.currency not in self.currencies:
            return f"{amount.currency} is no currency that can be charged"
        rule = self.rule(amount.currency)
        if amount.minor % rule.step_minor:
            return f"amounts have to be multiples of {Money(rule.step_minor, amount.currency)}"
        if amount.minor < rule.charge_minor_min:
            return f"the smallest charge is {Money(rule.charge_minor_min, amount.currency)}"
        if amount.minor > rule.charge_minor_max:
            return f"the largest charge is {Money(rule.charge_minor_max, amount.currency)}"
        return ""

    def refundable_minor(self, minor: int, paid: Money) -> int:
        """What to give back where `minor` of `paid` are due: rounded up to the step, and never more than was paid.

        Where what was paid is no multiple of the step itself, the largest multiple in it can be given back at most.
        """
        step = self.rule(paid.currency).step_minor
        return minor if step == 1 else min(-(-minor // step) * step, paid.minor // step * step)


# Every whole minor unit can be moved.
ANY_AMOUNT = AmountRules()
