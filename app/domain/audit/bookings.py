"""Rules about single bookings: against their run, and against the event of their last change.

Belongs here: journeys, seats, fares, charges, refunds, states, names and history of bookings. Does not belong here: seats and
waitlist of the run as a whole (`seats.py`, `waitlist.py`), or money that moved (`money.py`).
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking, BookingState, Passenger, RefundReason, own_payment_id
from app.domain.events import Event, EventType, commit_id
from app.domain.passenger import all_passengers
from app.domain.people import email_keys
from app.domain.reconciliation import AUTHORIZATIONS_PER_REQUEST_MAX, payment_id_for
from app.domain.reference import all_references
from app.domain.rules.booking_changes import event_data
from app.domain.rules.waitlist import waitlist_fare
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey

# Events are deleted after 30 days (`app/store/events.py`); MongoDB may take a minute to do it, and the last day is left out.
HISTORY_MAX = timedelta(days=29)
FINGERPRINT_LENGTH = 16

_NEW_IN_EVENTS = ("passenger_numbers",)  # fields that events of earlier versions do not have
_ENDED = (BookingState.CANCELLED, BookingState.EXPIRED)
_FIRST_EVENTS = (EventType.BOOKING_CONFIRMED, EventType.BOOKING_WAITLISTED)
_JOURNEY_FIELDS = ("train_id", "travel_date", "train_number", "origin", "destination", "legs", "depart", "arrive")


def wrong_journeys(record: AuditedRun) -> Iterator[str]:
    """Find bookings whose journey contradicts the run: another train, date, stops, legs or times."""
    run = record.run
    stops = {stop.name: index for index, stop in enumerate(run.stops)}
    for booking in record.bookings.values():
        journey = booking.journey
        start, end = stops.get(journey.origin), stops.get(journey.destination)
        if start is None or end is None or start >= end:
            yield f"booking {booking.reference} goes from {journey.origin!r} to {journey.destination!r}, as the train does not"
            continue
        expected = run.journey_between(start, end)
        if journey != expected:
            wrong = ", ".join(_differing(journey, expected))
            yield f"booking {booking.reference} has another journey than the run from {journey.origin}: {wrong}"


def _differing(journey: Journey, expected: Journey) -> list[str]:
    return [name for name in _JOURNEY_FIELDS if getattr(journey, name) != getattr(expected, name)]


def wrong_coaches(record: AuditedRun) -> Iterator[str]:
    """Find seats of bookings and holds that are not in the coach they name."""
    sections = {section.name: section for section in (*record.run.sections, *record.run.retired_sections)}
    seats = [
        (f"booking {booking.reference}", passenger.seat)
        for booking in record.bookings.values()
        for passenger in all_passengers(booking)
    ]
    seats += [(f"hold {hold.key}", seat) for hold in record.run.holds.values() for seat in hold.seats]
    for holder, seat in seats:
        section = None if seat is None else sections.get(seat.section)
        if seat is None:
            continue
        if section is None or not 1 <= seat.number <= section.size:
            yield f"{holder} has seat {seat.label}, which the train does not have"
        elif section.coach_of(seat.number) != seat.coach:
            yield f"{holder} has seat {seat.label} in coach {seat.coach}; it is in coach {section.coach_of(seat.number)}"


def wrong_fares(record: AuditedRun) -> Iterator[str]:
    """Find bookings in another currency, or at a fare at which their section never sold.

    Where the layout changed, a passenger may have been moved from any other section, at the fare that was paid there.
    """
    run = record.run
    names = {section.name for section in (*run.sections, *run.retired_sections)}
    currency = run.sections[0].fare.currency
    for booking in record.bookings.values():
        subject = f"booking {booking.reference}"
        if booking.wanted_section and booking.wanted_section not in names:
            yield f"{subject} asked for section {booking.wanted_section}, which the train does not have"
        if booking.currency != currency:
            yield f"{subject} is in {booking.currency}, and the train in {currency}"
        for passenger in all_passengers(booking):
            fares = _possible_fares(run, booking, passenger)
            if passenger.fare_minor not in fares:
                costs = " or ".join(map(str, sorted(fares)))
                yield f"{subject} has a fare of {passenger.fare_minor} for {_seat_text(passenger)}, which costs {costs}"


def _possible_fares(run: TrainRun, booking: Booking, passenger: Passenger) -> Collection[int]:
    """Return the fares that the passenger may have paid."""
    if run.layout.revision:
        present = {section.fare.minor for section in (*run.sections, *run.retired_sections)}
        return present | {minor for _, minor in run.layout.earlier_fares}
    fares = {section.name: section.fare.minor for section in run.sections}
    waitlisted = waitlist_fare(run, booking.wanted_section if booking.wanted_section in fares else "").minor
    return [waitlisted if passenger.seat is None else fares.get(passenger.seat.section, waitlisted)]


def offered_fares(run: TrainRun, name: str) -> Collection[int]:
    """Return all fares at which a section sold seats; none for a section that the run never had."""
    present = {section.fare.minor for section in (*run.sections, *run.retired_sections) if section.name == name}
    return present | {minor for section, minor in run.layout.earlier_fares if section == name}


def wrong_charges(record: AuditedRun) -> Iterator[str]:
    """Find bookings whose charge is not the sum of all fares and of what moves to cheaper seats refunded."""
    for booking in record.bookings.values():
        yield from _wrong_charge(booking, f"booking {booking.reference}", has_layout_changed=bool(record.run.layout.revision))


def _wrong_charge(booking: Booking, subject: str, *, has_layout_changed: bool) -> Iterator[str]:
    if not booking.charged_minor:
        if booking.refunds:
            yield f"{subject} charges nothing, and refunds something"
        return
    if not booking.payment_id:
        yield f"{subject} charges {booking.charged_minor}, and names no payment"
    fares = sum(passenger.fare_minor for passenger in all_passengers(booking))
    cancelled = booking.cancelled_passengers if booking.is_live else all_passengers(booking)
    refunded = sum(refund.minor for refund in booking.refunds)
    refunded_for_moves = booking.charged_minor - fares
    refunded_for_cancelled = refunded - refunded_for_moves
    cancelled_fares = sum(passenger.fare_minor for passenger in cancelled)
    if refunded_for_moves < 0 or not 0 <= refunded_for_cancelled <= cancelled_fares:
        yield f"{subject} charges {booking.charged_minor} and refunds {refunded}; its fares come to {fares}"
    # Who was cancelled in part, then displaced, and then got no seat, may keep the part that was not refunded.
    kept = sum(passenger.fare_minor for passenger in booking.cancelled_passengers) if has_layout_changed else 0
    if booking.state is BookingState.EXPIRED and not booking.charged_minor - kept <= refunded <= booking.charged_minor:
        yield f"{subject} got no seat, and refunds {refunded} of {booking.charged_minor}"


def wrong_refunds(record: AuditedRun) -> Iterator[str]:
    """Find refunds whose id, amount or time the booking cannot have given them."""
    for booking in record.bookings.values():
        for number, refund in enumerate(booking.refunds, 1):
            if refund.refund_id != f"{booking.reference}-{number}" or refund.minor < 1:
                yield f"booking {booking.reference} refunds {refund.minor} as {refund.refund_id}, its refund {number}"
            if not booking.create_time <= refund.time <= booking.update_time:
                yield f"booking {booking.reference} has refund {refund.refund_id} at a time outside its own"


def wrong_states(record: AuditedRun) -> Iterator[str]:
    """Find bookings whose fields are impossible in their state."""
    for booking in record.bookings.values():
        subject = f"booking {booking.reference}"
        yield from _wrong_waiting(record.run, booking, subject)
        if not 1 <= len(booking.passengers) <= limits.PASSENGERS_PER_BOOKING_MAX:
            yield f"{subject} has {len(booking.passengers)} passengers"
        if booking.is_vacated and booking.state is not BookingState.CANCELLED:
            yield f"{subject} is {booking.state}, and all its passengers have left"
        if booking.create_time > booking.update_time or booking.revision < 2 or booking.changes_before < 0:
            yield f"{subject} was changed before it was made, or by no commit"
        yield from _wrong_fresh_booking(record.run, booking, subject)


def _wrong_waiting(run: TrainRun, booking: Booking, subject: str) -> Iterator[str]:
    """Compare the state with the passengers without seats: all, or some of a booking that a layout change displaced."""
    waiting = [passenger for passenger in booking.passengers if passenger.seat is None] if booking.is_live else []
    if bool(waiting) != bool(booking.ticket_number):
        yield f"{subject} has {len(waiting)} passengers without a seat, and waitlist number {booking.ticket_number}"
    if booking.is_live and (booking.state is BookingState.WAITLISTED) != (len(waiting) == len(booking.passengers)):
        yield f"{subject} is {booking.state}, and {len(waiting)} of its passengers wait"
    if not run.layout.revision and (booking.ticket_number < 0 or booking.free_cancellation):
        yield f"{subject} was displaced, and the layout was never changed"


def _wrong_fresh_booking(run: TrainRun, booking: Booking, subject: str) -> Iterator[str]:
    # One batch may make a booking and change it, both at its time. No time runs backwards: a layout change or a cancellation of
    # the run may have it as well. A compacted run has forgotten when its layout changed.
    other_times: set[datetime | None] = {request.time for request in run.layout.requests}
    other_times |= {run.cancellation.time, run.cancellation.complete_time} if run.cancellation is not None else set()
    has_forgotten = run.is_compacted and run.layout.revision > 0
    has_ended = any(refund.reason is RefundReason.RUN_CANCELLED for refund in booking.refunds)
    is_changed_at_once = booking.changes_before > 0 or booking.update_time in other_times or has_forgotten or has_ended
    has_changed = booking.create_time != booking.update_time or is_changed_at_once
    if not has_changed and (booking.cancelled_passengers or booking.refunds or booking.state in _ENDED):
        yield f"{subject} is {booking.state} or was changed, at the time at which it was made"
    sections = {passenger.seat.section for passenger in booking.passengers if passenger.seat is not None}
    is_fresh = not has_changed and booking.state is BookingState.CONFIRMED
    if is_fresh and booking.wanted_section and sections != {booking.wanted_section}:
        yield f"{subject} asked for section {booking.wanted_section}, and has seats in {', '.join(sorted(sections))}"


def wrong_names(record: AuditedRun) -> Iterator[str]:
    """Find references, fingerprints and payment ids that do not follow from the request that made the booking."""
    for booking in record.bookings.values():
        subject, keys = f"booking {booking.reference}", email_keys(booking.user.email)
        if not any(booking.reference in all_references(key, booking.request_id) for key in keys):
            yield f"{subject} does not follow from its request {booking.request_id!r} and its user"
        if len(booking.fingerprint) != FINGERPRINT_LENGTH or not _is_hexadecimal(booking.fingerprint):
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


def wrong_history(record: AuditedRun) -> Iterator[str]:
    """Find bookings that contradict the event of their last change, as far as events are still stored."""
    run, commits = record.run, record.commits or {}
    for booking in record.bookings.values():
        if record.now - HISTORY_MAX < booking.update_time:
            yield from _wrong_last_event(record, booking, commits.get(commit_id(run.run_id, booking.revision)))
    if not record.has_last_commit and run.version != run.eventless_version:
        yield f"has version {run.version}, of which there are no events"


def _wrong_last_event(record: AuditedRun, booking: Booking, commit: Sequence[Event] | None) -> Iterator[str]:
    subject = f"booking {booking.reference}"
    if commit is None:
        if booking.update_time < record.before and booking.revision <= record.run.version:
            yield f"{subject} was last changed by version {booking.revision}, of which there are no events"
        return
    events = [event for event in commit if event.subject == booking.reference]
    if len(events) != booking.changes_before + 1:
        times = booking.changes_before + 1
        yield f"{subject} was changed {times} times by version {booking.revision}; it has {len(events)} events of it"
    if not events:
        return
    last = events[-1]
    if last.time != booking.update_time:
        yield f"{subject} was last changed at another time than its last event says"
    expected = {name: value for name, value in event_data(booking).items() if name in last.data or name not in _NEW_IN_EVENTS}
    differing = [name for name, value in expected.items() if last.data.get(name) != value]
    if differing:
        yield f"{subject} differs from its last event in {', '.join(differing)}"
    yield from _wrong_moves(booking, last, subject)
    if last.event_type in _FIRST_EVENTS and last.time != booking.create_time:
        yield f"{subject} was made at another time than its first event says"


def _wrong_moves(booking: Booking, last: Event, subject: str) -> Iterator[str]:
    """Compare where passengers were moved by the last event with where they sit."""
    labels = {passenger.number: _seat_label(passenger) for passenger in all_passengers(booking)}
    moves = last.data.get("moves", [])
    for move in moves if isinstance(moves, list) else []:
        number = move["passenger_number"]
        if labels.get(number, "") != move["to"] and move["to"] is not None:
            yield f"{subject} has passenger {number} on seat {labels.get(number)}, and by its last event on {move['to']}"


def _seat_label(passenger: Passenger) -> str | None:
    return None if passenger.seat is None else passenger.seat.label


def _seat_text(passenger: Passenger) -> str:
    return "a waitlist entry" if passenger.seat is None else f"seat {passenger.seat.label}"


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdef" for character in text)
