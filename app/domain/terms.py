"""The sales terms of a train: when seats are on sale, what a cancellation refunds, the limits on waitlist, holds and bookers.

Belongs here: the terms, and what they make of an amount. Does not belong here: applying them to a booking
(`app/domain/rules/`).

Refunds have tiers by the time that is left before departure, as with railways and airlines: each tier says which share of the
fare is refunded from so many hours before departure on and earlier. The first tier that is reached counts. After departure
nothing is refunded.
"""

from datetime import datetime, timedelta

from app.domain import limits
from app.domain.refusals import InvalidField
from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.domain.values import value


@value(frozen=True, slots=True)
class RefundTier:
    """From `hours_before` the departure and earlier, `percent` of the fare is refunded."""

    hours_before: int
    percent: int


DEFAULT_REFUND_TIERS = (RefundTier(24, 100), RefundTier(0, 50))


@value(frozen=True, slots=True)
class SalesTerms:
    """The terms of a train. Its runs keep the terms with which they were made. `refund_tiers`: the earliest first.

    `sales_window` counts for all sections but those that have one of their own in `section_windows`, by name.
    """

    refund_tiers: tuple[RefundTier, ...] = DEFAULT_REFUND_TIERS
    waitlist_closes_minutes_before: int = 240
    waitlist_max: int = 500
    hold_percent_max: int = limits.HOLD_PERCENT_DEFAULT
    passengers_per_booker_max: int = 9
    sales_window: SalesWindow = ALWAYS_OPEN
    section_windows: tuple[tuple[str, SalesWindow], ...] = ()

    @property
    def has_sales_windows(self) -> bool:
        """Whether seats of any section may not be on sale all the time until the departure."""
        return self.sales_window != ALWAYS_OPEN or bool(self.section_windows)


DEFAULT_TERMS = SalesTerms()


def refund_minor(paid_minor: int, terms: SalesTerms, depart: datetime, now: datetime) -> int:
    """Return the refund of `paid_minor` at `now`. It is rounded up to whole minor units."""
    left = depart - now
    if left <= timedelta(0):
        return 0
    for tier in terms.refund_tiers:
        if left >= timedelta(hours=tier.hours_before):
            return -(-paid_minor * tier.percent // 100)
    return 0


def check_terms(terms: SalesTerms, field: str) -> None:
    """Refuse INVALID_FIELD for terms that contradict each other or exceed their limits. `field` is the path of the train.

    Sales windows are checked with the timetable and the sections (`app/domain/train.py`).
    """
    _check_refund_tiers(terms.refund_tiers, field)
    bounds = {
        "waitlist_max": (0, terms.waitlist_max, limits.WAITLIST_MAX),
        "hold_percent_max": (0, terms.hold_percent_max, 100),
        "passengers_per_booker_max": (1, terms.passengers_per_booker_max, limits.PASSENGERS_PER_BOOKER_MAX),
    }
    if not 0 <= terms.waitlist_closes_minutes_before <= limits.WAITLIST_CLOSES_MINUTES_MAX:
        raise InvalidField(f"{field}.waitlist_closes_before", "needs 0 seconds to 30 days")
    for name, (least, number, most) in bounds.items():
        if not least <= number <= most:
            raise InvalidField(f"{field}.{name}", f"needs {least} to {most}")


def _check_refund_tiers(tiers: tuple[RefundTier, ...], field: str) -> None:
    if len(tiers) > limits.REFUND_TIERS_MAX:
        raise InvalidField(f"{field}.refund_tiers", f"has {len(tiers)} tiers; at most {limits.REFUND_TIERS_MAX}")
    for index, tier in enumerate(tiers):
        path = f"{field}.refund_tiers[{index}]"
        if not 0 <= tier.percent <= 100:
            raise InvalidField(f"{path}.percent", "needs 0 to 100")
        if not 0 <= tier.hours_before <= limits.REFUND_HOURS_BEFORE_MAX:
            raise InvalidField(f"{path}.hours_before", f"needs 0 to {limits.REFUND_HOURS_BEFORE_MAX}")
        if index and tier.hours_before >= tiers[index - 1].hours_before:
            raise InvalidField(f"{path}.hours_before", "must be less than the tier's before: the earliest comes first")
        if index and tier.percent > tiers[index - 1].percent:
            raise InvalidField(f"{path}.percent", "must not be more than the tier's before: who gives up earlier gets no less")
