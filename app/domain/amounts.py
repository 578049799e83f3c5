"""The amounts that a payment provider can charge and refund: steps, smallest and largest charges, by currency.

Belongs here: the rules as values, and judging an amount by them. Does not belong here: the rules of one provider
(`app/payments`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.limits import FARE_MINOR_MAX, PASSENGERS_PER_BOOKING_MAX
from app.domain.money import Money
from app.domain.values import value

# The largest price of a booking.
AMOUNT_MINOR_MAX = FARE_MINOR_MAX * PASSENGERS_PER_BOOKING_MAX


@value(frozen=True, slots=True)
class CurrencyRule:
    """The rule of one currency, in our minor units.

    Amounts are multiples of `step_minor`, charges from `charge_minor_min` to `charge_minor_max`. The smallest refund is the
    step.
    """

    step_minor: int = 1
    charge_minor_min: int = 1
    charge_minor_max: int = AMOUNT_MINOR_MAX


_USUAL = CurrencyRule()


@dataclass(frozen=True, slots=True)
class AmountRules:
    """The rules of one provider. `usual` is the rule of every currency without its own.

    `currencies` are those that the provider accepts, None for any.
    """

    usual: CurrencyRule = _USUAL
    by_currency: Mapping[str, CurrencyRule] = field(default_factory=dict)
    currencies: frozenset[str] | None = None

    def rule(self, currency: str) -> CurrencyRule:
        """Return the rule of a currency (three letters, ISO 4217)."""
        return self.by_currency.get(currency, self.usual)

    def problem_of_charge(self, amount: Money) -> str:
        """Return why this amount cannot be charged, in a line for people; empty if it can."""
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
        """Return what to refund where `minor` of `paid` is due: rounded up to the step, and never more than was paid.

        If the amount paid is no multiple of the step itself, the largest multiple below it is the most that can be refunded.
        """
        step = self.rule(paid.currency).step_minor
        return minor if step == 1 else min(-(-minor // step) * step, paid.minor // step * step)


# Every whole minor unit can be charged and refunded.
ANY_AMOUNT = AmountRules()
