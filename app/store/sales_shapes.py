"""Shapes of the documents of bookings, events, and the parts of runs.

Belongs here: which fields these documents have. Does not belong here: encoding and decoding (`booking_documents.py`,
`run_fields.py`, `event_documents.py`), nor what a shape is (`shapes.py`). The audit (`verify`) checks documents against shapes.
"""

from datetime import datetime

from app.domain.booking import BookingState, RefundReason
from app.domain.disruption import DisruptionReason
from app.domain.events import EventType
from app.domain.layout.plan import PlannedOutcome
from app.domain.timetable import RunState
from app.store.shapes import ANYTHING, NULLABLE_TIME, ListOf, MapOf, Nullable, OneOf, OneOfNumbers, Row, Shape

# Of the documents of runs and bookings. Version 2 numbers passengers; documents of version 1 do not name their version.
SCHEMA_VERSION = 2
# What a newer version wrote is unreadable.
KNOWN_VERSION = OneOfNumbers(1, 2)

PERSON = Shape({"first_name": str, "last_name": str, "email": str})
USER = Shape(
    {"_id": str, "first_name": str, "last_name": str, "email": str, "create_time": datetime},
    {"version": int, "update_time": datetime},
)

PASSENGER = Shape(
    {"first_name": str, "last_name": str, "email": str, "fare_minor": int},
    {"passenger_number": int, "section": str, "coach": str, "number": int},  # no passenger_number in the first version
)
REFUND_DUE = Shape({"id": str, "minor": int, "time": datetime}, {"reason": OneOf(RefundReason)})
BOOKING = Shape(
    {
        "_id": str,
        "request_id": str,
        "fingerprint": str,
        "currency": str,
        "revision": int,
        "create_time": datetime,
        "update_time": datetime,
        "charged_minor": int,
        "run_id": str,
        "train_id": str,
        "travel_date": str,
        "train_number": str,
        "origin": str,
        "destination": str,
        "legs": int,
        "depart_time": datetime,
        "arrive_time": datetime,
        "state": OneOf(BookingState),
        "user": PERSON,
        "emails": ListOf(str),
        "passengers": ListOf(PASSENGER),
        "cancelled_passengers": ListOf(PASSENGER),
    },
    {
        "wanted_section": str,
        "waiting_number": int,
        "payment_id": str,
        "authorization_id": str,
        "changes_before": int,
        "is_vacated": bool,
        "free_cancellation": bool,
        "schema_version": KNOWN_VERSION,
        "refunds": ListOf(REFUND_DUE),
    },
)

# What events and payments say about a booking, too.
BOOKING_OUTLINE = Shape(
    {"_id": str, "run_id": str, "request_id": str, "currency": str, "create_time": datetime, "update_time": datetime},
    {"payment_id": str},
)

EVENT = Shape({"type": OneOf(EventType), "subject": str, "data": MapOf(ANYTHING), "trace_parent": str})
# A commit. Its events are checked one by one, so that an event of a newer version does not block the others.
COMMIT = Shape(
    {"_id": str, "run_id": str, "version": int, "time": datetime, "event_count": int, "events": ListOf(ANYTHING)},
    {"is_new": bool, "is_unreadable": bool},
)

STOP = Shape({"name": str, "code": str, "time_zone": str, "arrive": NULLABLE_TIME, "depart": NULLABLE_TIME})
COACH = Shape({"name": str, "first": int, "last": int})
SALES_WINDOW = Shape(
    {"open_time": NULLABLE_TIME, "open_days_before": Nullable(int), "open_at": str, "closes_minutes_before": int}
)
SALES_WINDOWS = ListOf(Row(str, SALES_WINDOW))
TERMS = Shape(
    {"waitlist_closes_minutes_before": int, "waitlist_max": int, "refund_tiers": ListOf(Row(int, int))},
    {
        "hold_percent_max": int,
        "passengers_per_booker_max": int,
        "sales_window": SALES_WINDOW,
        "section_windows": SALES_WINDOWS,
    },
)
HOLD = Shape(
    {
        "owner_key": str,
        "fingerprint": str,
        "legs": int,
        "fare_minor": int,
        "currency": str,
        "expire_time": datetime,
        "seats": ListOf(Row(str, str, int)),
    }
)
# Owner, legs, places, end, and whether a booking used it.
ENDED_HOLD = Row(str, int, ListOf(Row(str, int)), datetime, bool)
# The first version that knew delays stored `report_time` under this name, in runs and in the data of their events.
EARLIER_REPORT_TIME = "reported_time"
DELAY = Shape(
    {
        "minutes": ListOf(int),
        "reason": Nullable(OneOf(DisruptionReason)),
        "evidence": str,
        "report_time": NULLABLE_TIME,
        "arrivals": ListOf(Row(int, datetime, datetime)),
    },
    earlier_names={"report_time": EARLIER_REPORT_TIME},
)
CANCELLATION = Shape(
    {
        "time": datetime,
        "reason": OneOf(DisruptionReason),
        "evidence": str,
        "from_stop": int,
        "cursor": str,
        "complete_time": NULLABLE_TIME,
        "booking_count": int,
        "passenger_count": int,
        "refunded_minor": int,
    }
)
CLOCK_STATE = OneOf(RunState)
# Reference, section, legs, and for how many people; of displaced passengers also the lowest fare that they take.
WAITLIST_ENTRY = Row(str, str, int, int, optional=(int,))
# A layout change that was committed, in the run's record of them.
LAYOUT_COUNTS = Shape(
    {
        "moved_passengers": int,
        "waitlisted_passengers": int,
        "cancelled_passengers": int,
        "refunded_minor": int,
        "promoted_bookings": int,
        "released_holds": int,
        "currency": str,
    }
)
LAYOUT_REQUEST = Shape(
    {"request_id": str, "fingerprint": str, "plan_hash": str, "time": datetime, "counts": LAYOUT_COUNTS},
)
LAYOUT = Shape(
    {
        "revision": int,
        "train_version": int,
        "is_own": bool,
        "earlier_fares": ListOf(Row(str, int)),
        "requests": ListOf(LAYOUT_REQUEST),
    }
)
# Places: reference, passenger number, section, seat number. Claims: section, seat number, legs.
LAYOUT_RESERVATION = Shape(
    {
        "plan_hash": str,
        "fingerprint": str,
        "expire_time": datetime,
        "withdrawn": ListOf(Row(str, int)),
        "places": ListOf(Row(str, int, str, int, OneOf(PlannedOutcome))),
        "claims": ListOf(Row(str, int, int)),
    }
)
# What a commit needs besides. Bookings and events are checked one by one.
RUN_QUEUES = Shape({"recent": ListOf(Shape({"_id": str, "revision": int})), "outbox": ListOf(Shape({"_id": str}))})
CLAIMED_TURN = Shape({"version": int, "server_id": str, "expire_time": datetime})
# Fields that only queries and lanes use.
RUN_KEYS = Shape(
    {"stop_forms": ListOf(str), "create_time": datetime},
    {"next_due": datetime, "unsettled_since": datetime, "arrive_time": datetime, "claimed_turn": CLAIMED_TURN},
)
# Of the sections, what the statistics count.
COUNTED_SECTIONS = ListOf(Shape({"sold_legs": ListOf(int)}, {"retired": ListOf(Row(int, int))}))
