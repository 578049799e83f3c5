"""What holds of each booking by itself, against its run and against the event that told of its last change.

Belongs here: journeys, seats, fares, refunds, names of bookings and of their payments, and history. Does not: seats and the
line of the run as a whole (`seats.py`), nor money that moved (`money.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.audit.seats import Bookings, Check, Finding
from app.domain.booking import Booking, BookingState, Passenger, own_payment_id
from app.domain.events import Event, EventType, commit_id
from app.domain.people import email_keys
from app.domain.reconciliation import AUTHORIZATIONS_PER_REQUEST_MAX, payment_id_for
from app.domain.reference import all_references
from app.domain.refusals import Refusal
from app.domain.rules.waitlist import event_data, waitlist_fare
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey

# Events are deleted after 30 days (`app/store/events.py`); MongoDB needs a minute for it, and nobody waits for the last day.
HISTORY_MAX = timedelta(days=29)
_FINGERPRINT_LENGTH = 16


def wrong_journeys(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Name bookings whose journey contradicts the run: another train, date, stops, legs or times."""
    stops = {stop.name: index for index, stop in enumerate(run.stops)}
    for booking in bookings.values():
        journey = booking.journey
        start, end = stops.get(journey.origin), stops.get(journey.destination)
        if start is None or end is None or start >= end:
            yield f"booking {booking.reference} goes from {journey.origin!r} to {journey.destination!r}, as the train does not"
            continue
        expected = run.journey_between(start, end)
        if journey != expected:
            wrong = ", ".join(_differing(journey, expected))
            yield f"booking {booking.reference} has another journey than the run from {journey.origin} on: {wrong}"


def _differing(journey: Journey, expected: Journey) -> list[str]:
    names = ("train_id", "travel_date", "train_number", "origin", "destination", "legs", "depart", "arrive")
    return [name for name in names if getattr(journey, name) != getattr(expected, name)]


def wrong_coaches(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Seats of bookings and holds in a coach where they are not."""
    sections = {section.name: section for section in run.sections}
    seats = [(f"booking {one.reference}", passenger.seat) for one in bookings.values() for passenger in _everybody(one)]
    seats += [(f"hold {hold.key}", seat) for hold in run.holds.values() for seat in hold.seats]
    for holder, seat in seats:
        section = None if seat is None else sections.get(seat.section)
        if seat is None:
            continue
        if section is None or not 1 <= seat.number <= section.size:
            yield f"{holder} has seat {seat.label}, which the train does not have"
        elif section.coach_of(seat.number) != seat.coach:
            yield f"{holder} has seat {seat.label} in coach {seat.coach}; it is in coach {section.coach_of(seat.number)}"


def wrong_fares(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Bookings in another currency, at another fare than their section's, or that charge what their fares do not come to."""
    fares = {section.name: section.fare for section in run.sections}
    for booking in bookings.values():
        subject = f"booking {booking.reference}"
        waiting = waitlist_fare(run, booking.wanted_section if booking.wanted_section in fares else "")
        if booking.wanted_section and booking.wanted_section not in fares:
            yield f"{subject} asked for section {booking.wanted_section}, which the train does not have"
        if booking.currency != waiting.currency:
            yield f"{subject} is in {booking.currency}, and the train in {waiting.currency}"
        for passenger in _everybody(booking):
            fare = waiting if passenger.seat is None else fares.get(passenger.seat.section, waiting)
            if passenger.fare_minor != fare.minor:
                yield f"{subject} has a fare of {passenger.fare_minor} for {_seat_of(passenger)}, which costs {fare.minor}"
        yield from _wrong_charge(booking, subject)


def _wrong_charge(booking: Booking, subject: str) -> Iterator[str]:
    """What was charged is what all fares come to, and what moves to cheaper seats gave back; the rest was given up."""
    if not booking.charged_minor:
        if booking.refunds:
            yield f"{subject} charges nothing, and gives something back"
        return
    if not booking.payment_id:
        yield f"{subject} charges {booking.charged_minor}, and names no payment"
    fares = sum(passenger.fare_minor for passenger in _everybody(booking))
    left = booking.cancelled_passengers if booking.is_live else _everybody(booking)
    back = sum(refund.minor for refund in booking.refunds)
    for_moves = booking.charged_minor - fares
    if for_moves < 0 or not 0 <= back - for_moves <= sum(passenger.fare_minor for passenger in left):
        yield f"{subject} charges {booking.charged_minor} and gives {back} back; its fares come to {fares}"
    if booking.state is BookingState.EXPIRED and back != booking.charged_minor:
        yield f"{subject} got no seat, and gives {back} back of {booking.charged_minor}"


def wrong_refunds(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Refunds whose names or times are none that the booking can have given them."""
    for booking in bookings.values():
        for number, refund in enumerate(booking.refunds, 1):
            if refund.refund_id != f"{booking.reference}-{number}" or refund.minor < 1:
                yield f"booking {booking.reference} gives {refund.minor} back as {refund.refund_id}, its refund {number}"
            if not booking.create_time <= refund.time <= booking.update_time:
                yield f"booking {booking.reference} gives back as {refund.refund_id} at a time that is not within its own"


def wrong_states(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Bookings whose fields cannot be together in their state."""
    for booking in bookings.values():
        subject, is_waiting = f"booking {booking.reference}", booking.state is BookingState.WAITLISTED
        if is_waiting != (booking.ticket_number > 0):
            yield f"{subject} is {booking.state}, and has place {booking.ticket_number} in the line"
        if not 1 <= len(booking.passengers) <= limits.PASSENGERS_PER_BOOKING_MAX:
            yield f"{subject} has {len(booking.passengers)} passengers"
        if booking.is_vacated and booking.state is not BookingState.CANCELLED:
            yield f"{subject} is {booking.state}, and all its passengers have left"
        if booking.create_time > booking.update_time or booking.revision < 2 or booking.changes_before < 0:
            yield f"{subject} was changed before it was made, or by no commit"
        has_changed = booking.create_time != booking.update_time
        if not has_changed and (booking.cancelled_passengers or booking.refunds or booking.state in _ENDED):
            yield f"{subject} is {booking.state} or was changed, at the time at which it was made"
        is_fresh = not has_changed and booking.state is BookingState.CONFIRMED
        sections = {passenger.seat.section for passenger in booking.passengers if passenger.seat is not None}
        if is_fresh and booking.wanted_section and sections != {booking.wanted_section}:
            yield f"{subject} asked for section {booking.wanted_section}, and was given {', '.join(sorted(sections))}"


def wrong_names(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """References, fingerprints and payments whose names do not follow from the request that made them."""
    for booking in bookings.values():
        subject, keys = f"booking {booking.reference}", email_keys(booking.user.email)
        if not any(booking.reference in all_references(key, booking.request_id) for key in keys):
            yield f"{subject} does not follow from its request {booking.request_id!r} and who booked"
        if len(booking.fingerprint) != _FINGERPRINT_LENGTH or not _is_hexadecimal(booking.fingerprint):
            yield f"{subject} has a malformed fingerprint"
        if booking.payment_id and booking.payment_id not in _payment_ids(booking, keys):
            yield f"{subject} has payment {booking.payment_id}, which does not follow from its request"
        if not booking.payment_id and booking.authorization_id:
            yield f"{subject} has an authorization, and no payment"


def _payment_ids(booking: Booking, keys: Sequence[str]) -> Iterator[str]:
    yield own_payment_id(booking.reference, booking.fingerprint)
    for key in keys:
        for attempt in range(AUTHORIZATIONS_PER_REQUEST_MAX):
            yield payment_id_for(key, booking.request_id, attempt)


def check_history(
    run: TrainRun, bookings: Bookings, commits: Mapping[str, Sequence[Event]], before: datetime, now: datetime
) -> list[Finding]:
    """What contradicts the events that told of bookings' last changes, by commits.

    `commits` are those that bookings name as their last, as far as they are kept. What was changed after `before` may be under
    way.
    """
    subject = f"run {run.run_id}"
    texts = [
        text
        for booking in bookings.values()
        if now - HISTORY_MAX < booking.update_time
        for text in _contradictions(run, booking, commits.get(commit_id(run.run_id, booking.revision)), before)
    ]
    return [Finding(Check.HISTORY, subject, text) for text in texts]


def _contradictions(run: TrainRun, booking: Booking, commit: Sequence[Event] | None, before: datetime) -> Iterator[str]:
    subject = f"booking {booking.reference}"
    if commit is None:
        if booking.update_time < before and booking.revision <= run.version:
            yield f"{subject} was last changed by version {booking.revision}, of which there are no events"
        return
    told = [event for event in commit if event.subject == booking.reference]
    if len(told) != booking.changes_before + 1:
        times = booking.changes_before + 1
        yield f"{subject} was changed {times} times by version {booking.revision}; its events say {len(told)}"
    if not told:
        return
    last = told[-1]
    if last.time != booking.update_time:
        yield f"{subject} was last changed at another time than its last event says"
    told_of = {name: value for name, value in event_data(booking).items() if name in last.data or name not in _NEW_IN_EVENTS}
    differing = [name for name, value in told_of.items() if last.data.get(name) != value]
    if differing:
        yield f"{subject} is not what its last event says: {', '.join(differing)}"
    if last.event_type in _FIRST_EVENTS and last.time != booking.create_time:
        yield f"{subject} was made at another time than its first event says"


def _everybody(booking: Booking) -> tuple[Passenger, ...]:
    return (*booking.passengers, *booking.cancelled_passengers)


def _seat_of(passenger: Passenger) -> str:
    return "a place in the line" if passenger.seat is None else f"seat {passenger.seat.label}"


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)


_NEW_IN_EVENTS = ("passenger_numbers",)  # which events of earlier versions do not have
_ENDED = (BookingState.CANCELLED, BookingState.EXPIRED)
_FIRST_EVENTS = (EventType.BOOKING_CONFIRMED, EventType.BOOKING_WAITLISTED)

BOOKING_CHECKS = {
    Check.JOURNEYS: (wrong_journeys,),
    Check.COACHES: (wrong_coaches,),
    Check.FARES: (wrong_fares, wrong_refunds),
    Check.NAMES: (wrong_names,),
    Check.STATES: (wrong_states,),
}


def check_bookings(run: TrainRun, bookings: Bookings) -> list[Finding]:
    """All that is wrong with bookings by themselves and against their run."""
    subject = f"run {run.run_id}"
    findings: list[Finding] = []
    for check, rules in BOOKING_CHECKS.items():
        for problems in rules:
            try:
                findings.extend(Finding(check, subject, text) for text in problems(run, bookings))
            except (Refusal, ArithmeticError, LookupError, TypeError, ValueError) as error:
                findings.append(Finding(check, subject, f"cannot be checked: {error!r}"))
    return findings
