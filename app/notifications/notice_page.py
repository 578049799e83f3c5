"""What a notice says, in the words of its language, before it becomes a page or a plain text.

Belongs here: which texts and tables a notice has, from its content. Does not belong here: the texts (`texts/`), how they look
(`templates/`), the rules behind a notice (`app/domain/notices`).

A kind has the texts <KIND>.subject, .heading, .intro and .short. A new kind needs no more than these, unless what it says
depends on more than its passengers: then it is a row of `_VARIANTS`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType

from app.domain import limits
from app.domain.booking import BookingState, Passenger, Seat
from app.domain.money import Money
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import NoticeKind
from app.domain.people import Person
from app.domain.zones import load_zone
from app.notifications.wording import Wording
from app.ports.notices import NoticeContent

# Of a seat list in an SMS, and of a name in it: the rest of 320 characters is for what cannot be left out.
SHORT_NAME_LENGTH_MAX = 24
_WITHDRAWN_KINDS = frozenset(kind for kind, policy in KIND_POLICIES.items() if policy.withdraws_tickets)
_REFUND_KINDS = frozenset({NoticeKind.REFUNDED, NoticeKind.WAITLIST_EXPIRED, *_WITHDRAWN_KINDS})
_NEW_SEAT_KINDS = frozenset({NoticeKind.SEAT_CHANGED, NoticeKind.MOVED})
# Cancellations by the passengers' own wish, which may return nothing.
_OWN_WISH_KINDS = frozenset({NoticeKind.PASSENGERS_CANCELLED, NoticeKind.BOOKING_CANCELLED})
_GOOD, _WARNING, _BAD = "good", "warning", "bad"
_TONES: Mapping[NoticeKind, str] = MappingProxyType(
    {
        NoticeKind.WAITLISTED: _WARNING,
        NoticeKind.MOVED: _WARNING,
        NoticeKind.DELAYED: _WARNING,
        NoticeKind.PASSENGERS_CANCELLED: _WARNING,
        NoticeKind.WAITLIST_EXPIRED: _BAD,
        NoticeKind.BOOKING_CANCELLED: _BAD,
        NoticeKind.RUN_CANCELLED: _BAD,
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """A stop of the journey. `expected` is empty where the train is on time; `day` where it is that of the departure."""

    label: str
    station: str
    time: str
    expected: str
    day: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: a passenger and the place, or a reason and an amount."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class NoticePage:
    """A notice in words. `recipient_name` is empty where it is not known; `greeting` has "{name}" in it otherwise."""

    subject: str
    heading: str
    tone: str
    greeting: str
    recipient_name: str
    paragraphs: tuple[str, ...]
    calls: tuple[Call, Call]
    journey_day: str
    train: str
    reference: str
    passengers: tuple[Row, ...]
    travelling: tuple[Row, ...]
    refunds: tuple[Row, ...]
    notes: tuple[str, ...]
    footer: str
    short: str


@dataclass(frozen=True, slots=True)
class _Ride:
    """The journey with its times, local to the stations. `late_minutes` are those at the destination, or else at the origin."""

    origin: str
    destination: str
    depart: datetime
    arrive: datetime
    expected_depart: datetime
    expected_arrive: datetime
    late_minutes: int

    @property
    def is_late(self) -> bool:
        """Whether the train is expected late at either end."""
        return self.late_minutes > 0


def make_page(content: NoticeContent, words: Wording, seller: str) -> NoticePage:
    """Return what the notice says."""
    ride = _ride(content)
    kind, count = content.kind.value, len(content.passengers)
    variant = _VARIANTS.get(content.kind, _no_variant)(content, ride)
    fields = _fields(content, words, ride, seller)
    greeting = "common.greeting" if content.recipient_name else "common.greeting_nobody"
    return NoticePage(
        subject=words.say(_key(words, f"{kind}.subject", variant), fields, count),
        heading=words.say(_key(words, f"{kind}.heading", variant), fields, count),
        tone=_GOOD if variant == _ON_TIME else _TONES.get(content.kind, _GOOD),
        greeting=words.text(greeting),
        recipient_name=content.recipient_name,
        paragraphs=tuple(_paragraphs(content, words, variant, fields)),
        calls=_calls(words, ride),
        journey_day=words.day(ride.depart.date()),
        train=content.train_number,
        reference=content.booking.reference,
        passengers=tuple(
            Row(full_name(passenger.person), _place(content, words, passenger)) for passenger in content.passengers
        ),
        travelling=tuple(_travelling(content, words)),
        refunds=tuple(_refunds(content, words)),
        notes=tuple(_notes(content, words, ride, fields)),
        footer=words.say("common.footer", fields),
        short=words.say(_key(words, f"{kind}.short", variant), _clipped(fields), count),
    )


def full_name(person: Person) -> str:
    """Return the name as a person writes it; empty where it is not known."""
    return f"{person.first_name} {person.last_name}".strip()


# -- the journey


def _ride(content: NoticeContent) -> _Ride:
    journey, schedule = content.booking.journey, content.schedule
    origin = schedule.stops[(journey.legs & -journey.legs).bit_length() - 1]
    destination = schedule.stops[journey.legs.bit_length()]
    expected = schedule.expected_journey(journey)
    depart_zone, arrive_zone = load_zone(origin.time_zone), load_zone(destination.time_zone)
    depart, arrive = origin.depart or journey.depart, destination.arrive or journey.arrive
    late = (expected.arrive - arrive, expected.depart - depart)
    return _Ride(
        origin=origin.name,
        destination=destination.name,
        depart=depart.astimezone(depart_zone),
        arrive=arrive.astimezone(arrive_zone),
        expected_depart=expected.depart.astimezone(depart_zone),
        expected_arrive=expected.arrive.astimezone(arrive_zone),
        late_minutes=next((minutes for minutes in (late_by // timedelta(minutes=1) for late_by in late) if minutes > 0), 0),
    )


def _calls(words: Wording, ride: _Ride) -> tuple[Call, Call]:
    day = ride.depart.date()
    return (
        _call(words, "common.depart", ride.origin, (ride.depart, ride.expected_depart), day),
        _call(words, "common.arrive", ride.destination, (ride.arrive, ride.expected_arrive), day),
    )


def _call(words: Wording, label: str, station: str, times: tuple[datetime, datetime], day: date) -> Call:
    scheduled, expected = times
    expected_text = ""
    if words.clock(expected) != words.clock(scheduled) or expected.date() != scheduled.date():
        same_day = expected.date() == scheduled.date()
        expected_text = words.clock(expected) if same_day else f"{words.clock(expected)}, {words.short_day(expected.date())}"
    return Call(
        label=words.text(label),
        station=station,
        time=words.clock(scheduled),
        expected=expected_text,
        day="" if scheduled.date() == day else words.short_day(scheduled.date()),
    )


# -- texts


def _fields(content: NoticeContent, words: Wording, ride: _Ride, seller: str) -> Mapping[str, object]:
    """Return what stands in the braces of texts."""
    schedule = content.schedule
    return {
        "reference": content.booking.reference,
        "train": content.train_number,
        "origin": ride.origin,
        "destination": ride.destination,
        "date": words.day(ride.depart.date()),
        "day": words.long_day(ride.depart.date()),
        "depart": words.clock(ride.expected_depart),
        "arrive": words.clock(ride.expected_arrive),
        "late": words.minutes(ride.late_minutes),
        "count": len(content.passengers),
        "seats": ", ".join(_seat_labels(content)) or words.text("common.waiting"),
        "position": content.waitlist_position,
        "amount": words.money(_refunded(content)),
        "stop": schedule.stops[schedule.last_stop].name,
        "seller": seller,
    }


def _clipped(fields: Mapping[str, object]) -> Mapping[str, object]:
    """Return the fields with names that are short enough for an SMS."""
    return {
        name: _clip(value) if isinstance(value, str) and name not in _WHOLE_IN_SMS else value for name, value in fields.items()
    }


_WHOLE_IN_SMS = frozenset({"reference", "date", "depart", "arrive", "late", "amount", "seats"})


def _clip(text: str) -> str:
    return text if len(text) <= SHORT_NAME_LENGTH_MAX else f"{text[: SHORT_NAME_LENGTH_MAX - 1]}…"


def _key(words: Wording, key: str, variant: str) -> str:
    """Return the key of a variant where it has a text of its own."""
    return f"{key}_{variant}" if variant and words.has(f"{key}_{variant}") else key


def _paragraphs(content: NoticeContent, words: Wording, variant: str, fields: Mapping[str, object]) -> Iterator[str]:
    kind, count = content.kind.value, len(content.passengers)
    yield words.say(_key(words, f"{kind}.intro", variant), fields, count)
    if content.waitlist_position and words.has(f"{kind}.position"):
        yield words.say(f"{kind}.position", fields)
    if words.has(f"{kind}.detail") and variant != _ON_TIME:
        yield words.say(f"{kind}.detail", fields, count)


_ON_TIME, _WAITING, _PART = "on_time", "waiting", "part"


def _no_variant(_content: NoticeContent, _ride: _Ride) -> str:
    return ""


def _delay_variant(_content: NoticeContent, ride: _Ride) -> str:
    return "" if ride.is_late else _ON_TIME


def _move_variant(content: NoticeContent, _ride: _Ride) -> str:
    return _WAITING if any(passenger.seat is None for passenger in content.passengers) else ""


def _run_cancellation_variant(content: NoticeContent, _ride: _Ride) -> str:
    cancellation = content.schedule.cancellation
    return "" if cancellation is None or cancellation.is_whole else _PART


# Kinds that say one thing or another: for each, which text ("<key>_<variant>") instead of the usual one.
_VARIANTS: Mapping[NoticeKind, Callable[[NoticeContent, _Ride], str]] = MappingProxyType(
    {
        NoticeKind.DELAYED: _delay_variant,
        NoticeKind.MOVED: _move_variant,
        NoticeKind.RUN_CANCELLED: _run_cancellation_variant,
    }
)


# -- tables


def _seat_labels(content: NoticeContent) -> Iterator[str]:
    return (passenger.seat.label for passenger in content.passengers if passenger.seat is not None)


def _place(content: NoticeContent, words: Wording, passenger: Passenger) -> str:
    state = content.booking.state
    if content.kind in _WITHDRAWN_KINDS or state is BookingState.CANCELLED:
        return words.text("common.cancelled")
    if passenger.seat is not None:
        return _seat(words, passenger.seat)
    return words.text("common.no_seat" if state is BookingState.EXPIRED else "common.waiting")


def _seat(words: Wording, seat: Seat) -> str:
    return words.say("common.seat", {"coach": seat.coach, "seat": seat.label})


def _travelling(content: NoticeContent, words: Wording) -> Iterator[Row]:
    """Yield those who still travel after others were cancelled."""
    if content.kind in _WITHDRAWN_KINDS:
        yield from (Row(full_name(ticket.person), _seat(words, ticket.seat)) for ticket in content.tickets)


def _refunds(content: NoticeContent, words: Wording) -> Iterator[Row]:
    """Yield the refunds, for whoever paid."""
    if content.kind not in _REFUND_KINDS or not content.is_whole_booking:
        return
    for refund in content.refunds:
        reason = "NONE" if refund.reason is None else refund.reason.value
        yield Row(words.text(f"refund_reason.{reason}"), words.money(Money(refund.minor, content.booking.currency)))
    if len(content.refunds) > 1:
        yield Row(words.text("common.total"), words.money(_refunded(content)))


def _refunded(content: NoticeContent) -> Money:
    return Money(sum(refund.minor for refund in content.refunds), content.booking.currency)


# -- notes


def _notes(content: NoticeContent, words: Wording, ride: _Ride, fields: Mapping[str, object]) -> Iterator[str]:
    yield from _disruption_notes(content, words, ride, fields)
    if content.kind is NoticeKind.MOVED and _move_variant(content, ride):
        yield words.text("note.waiting_some")
    yield from _ticket_notes(content, words, fields)
    if _is_free_to_cancel(content, ride):
        yield words.text("note.free_cancellation")
    if content.kind in _REFUND_KINDS and content.is_whole_booking:
        if content.refunds:
            yield words.text("note.refund_way")
        elif content.kind in _OWN_WISH_KINDS and content.booking.charged_minor:
            yield words.text("note.no_refund")


def _disruption_notes(content: NoticeContent, words: Wording, ride: _Ride, fields: Mapping[str, object]) -> Iterator[str]:
    is_on_way = content.kind not in _REFUND_KINDS
    if is_on_way and ride.is_late and content.kind is not NoticeKind.DELAYED:
        yield words.say("note.late", fields)
    reason = None
    if content.kind is NoticeKind.RUN_CANCELLED and content.schedule.cancellation is not None:
        reason = content.schedule.cancellation.reason
    elif content.kind is NoticeKind.DELAYED and ride.is_late:
        reason = content.schedule.delay.reason
    if reason is not None:
        yield words.say("note.reason", {"reason": words.text(f"reason.{reason.value}")})


def _ticket_notes(content: NoticeContent, words: Wording, fields: Mapping[str, object]) -> Iterator[str]:
    if not content.tickets or not KIND_POLICIES[content.kind].has_tickets:
        return
    count = len(content.tickets)
    if content.has_pdf:
        yield words.say("note.pdf", {**fields, "count": count}, count)
        if content.kind in _NEW_SEAT_KINDS:
            yield words.text("note.old_tickets")
        return
    if content.pdf_follows:
        yield words.text("note.pdf_follows")
    yield words.say("note.pdf_missing", fields)


def _is_free_to_cancel(content: NoticeContent, ride: _Ride) -> bool:
    """Whether the whole fare is returned for a booking that is cancelled now (`app/domain/rules/cancel_booking.py`)."""
    if content.kind not in _DISRUPTED_KINDS or not content.booking.is_live:
        return False
    late_minutes = content.schedule.late_minutes(content.booking.journey)
    return content.booking.free_cancellation or late_minutes >= limits.LATE_MINUTES_FREE_CANCELLATION


_DISRUPTED_KINDS = frozenset({NoticeKind.DELAYED, NoticeKind.MOVED})
