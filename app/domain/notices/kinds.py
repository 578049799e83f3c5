"""The properties of each kind of notice.

Belongs here: one row for each kind. Does not belong here: what follows from an event (`from_events.py`), words
(`app/notifications/texts`). A new kind is a row here, an entry of `EVENT_NOTICES`, and its texts.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from app.domain.notices.notice import NoticeKind, NoticeThread
from app.domain.values import value

# Changes within this time are one notice with the last state; long enough for an operator who corrects a delay.
GATHER_SECONDS = 60


class BookingNeed(Enum):
    """What a booking must be for a notice about it to be true. The sender skips a notice whose booking is not so any more."""

    ANY = "any"
    LIVE = "live, with a passenger of the recipient"
    WAITING = "live, with a passenger of the recipient on the waitlist"
    SEATED = "live, with a passenger of the recipient on a seat"


@value(frozen=True, slots=True)
class KindPolicy:
    """What holds for a kind.

    `is_essential`: cannot be unsubscribed. `gather_seconds`: how long it waits for further changes. `has_tickets`: tickets and
    calendar entries are attached. `withdraws_tickets`: the calendar entries are cancelled. `needs`: what the booking must be.
    """

    thread: NoticeThread
    needs: BookingNeed
    is_essential: bool = True
    gather_seconds: int = 0
    has_tickets: bool = False
    withdraws_tickets: bool = False


KIND_POLICIES: Mapping[NoticeKind, KindPolicy] = MappingProxyType(
    {
        NoticeKind.TICKET: KindPolicy(NoticeThread.BOOKING, BookingNeed.SEATED, has_tickets=True),
        NoticeKind.WAITLISTED: KindPolicy(NoticeThread.BOOKING, BookingNeed.WAITING),
        NoticeKind.PROMOTED: KindPolicy(NoticeThread.BOOKING, BookingNeed.SEATED, has_tickets=True),
        NoticeKind.WAITLIST_EXPIRED: KindPolicy(NoticeThread.BOOKING, BookingNeed.ANY),
        NoticeKind.SEAT_CHANGED: KindPolicy(
            NoticeThread.BOOKING, BookingNeed.SEATED, gather_seconds=GATHER_SECONDS, has_tickets=True
        ),
        NoticeKind.MOVED: KindPolicy(NoticeThread.BOOKING, BookingNeed.LIVE, gather_seconds=GATHER_SECONDS, has_tickets=True),
        NoticeKind.BOOKING_UPDATED: KindPolicy(
            NoticeThread.BOOKING, BookingNeed.LIVE, gather_seconds=GATHER_SECONDS, has_tickets=True
        ),
        NoticeKind.PASSENGERS_CANCELLED: KindPolicy(
            NoticeThread.BOOKING, BookingNeed.LIVE, has_tickets=True, withdraws_tickets=True
        ),
        NoticeKind.BOOKING_CANCELLED: KindPolicy(NoticeThread.BOOKING, BookingNeed.ANY, withdraws_tickets=True),
        NoticeKind.RUN_CANCELLED: KindPolicy(NoticeThread.BOOKING, BookingNeed.ANY, withdraws_tickets=True),
        NoticeKind.REFUNDED: KindPolicy(NoticeThread.REFUND, BookingNeed.ANY, gather_seconds=GATHER_SECONDS),
        # The job that makes these has waited already. Below `ESSENTIAL_DELAY_MINUTES` they can be unsubscribed.
        NoticeKind.DELAYED: KindPolicy(NoticeThread.DELAY, BookingNeed.LIVE, has_tickets=True),
        NoticeKind.DEPARTURE_REMINDER: KindPolicy(NoticeThread.DEPARTURE, BookingNeed.SEATED, is_essential=False),
        NoticeKind.ARRIVAL_REMINDER: KindPolicy(NoticeThread.ARRIVAL, BookingNeed.SEATED, is_essential=False),
    }
)

# A delay of this much cannot be unsubscribed.
ESSENTIAL_DELAY_MINUTES = 15
# A change of the expected times by less is not told.
TOLD_DELAY_MINUTES = 5
