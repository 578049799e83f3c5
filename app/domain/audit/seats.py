"""What holds of every run at every moment: plain functions that look at a run with all its bookings and say what is wrong.

Belongs here: the checks of seats, of the line and of references, and what a finding is. Does not: money (`money.py`), nor
reading what is checked (`app/store/audit_runs.py`).

A check never repairs, and never stops at the first thing that is wrong. What it is given may be broken in any way; what it
cannot make sense of is a finding, too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.booking import Booking, BookingState
from app.domain.events import Event
from app.domain.limits import PASSENGERS_PER_BOOKING_MAX
from app.domain.passenger import all_passengers
from app.domain.refusals import Refusal
from app.domain.rules.seating import next_free_seats
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.values import value

Bookings = Mapping[str, Booking]


class Check(StrEnum):
    """The invariants, by the names that findings carry."""

    READABLE = "readable"  # every document is one that the service may have written
    SOLD_ONCE = "sold-once"  # no seat is sold twice on a leg
    SOLD_LEGS = "sold-legs"  # the sold legs of each seat are those of its bookings and holds
    INVENTORY = "inventory"  # counter, freed legs and sold legs account for every seat
    ONE_BOOKING = "one-booking"  # nobody is on two live bookings of a run
    PASSENGER_NUMBERS = "passenger-numbers"  # each passenger of a booking has a number of its own
    WAITLIST_ENTRIES = "line"  # the line is that of the bookings that wait
    WAITLIST_PROMOTED = "nobody-waits"  # while a seat fits, and the line is open
    REVISIONS = "revisions"  # no booking is newer than its run
    REFERENCES = "references"  # a reference stands for one booking of one run
    BALANCE = "balance"  # what was taken and given back is what bookings say
    RECORDED = "recorded"  # what is charged has a payment
    CHARGED_FOR = "charged-for"  # nothing is taken without a booking
    CAPTURED_ONCE = "captured-once"  # nothing is taken twice for a booking
    UNUSED_VOIDED = "let-go"  # nothing stays set aside without a booking
    LEDGER = "ledger"  # our own ledger says of the money what payments say
    FIELDS = "fields"  # what a record says twice is the same both times
    SHAPE = "shape"  # a record is one that the service may have stored
    JOURNEYS = "journeys"  # bookings have the stops, legs and times of their run
    COACHES = "coaches"  # seats are in the coach that has them
    FARES = "fares"  # fares are those of the section, and what is charged and given back follows from them
    NAMES = "names"  # references and payments are named after their requests
    STATES = "states"  # a booking's fields can be together in its state
    HISTORY = "history"  # bookings are what their events say
    LAYOUT = "layout"  # a run is what its train makes of it
    MOMENTS = "moments"  # what a run's document says of when is so
    HOLDS = "holds"  # holds are for a journey, at its price, and end in time
    ATTEMPTS = "attempts"  # a payment is what the provider's answers make of it
    JOB_FIELDS = "job-fields"  # a job is what its progress and its event make of it
    DELIVERIES = "deliveries"  # a delivery is what its attempts and its event make of it
    EVENTS = "events"  # events are followed up soon
    JOBS = "jobs"  # no job is dead
    DUE = "due"  # holds end and lines close in time


@value(frozen=True, slots=True)
class Finding:
    """Something that is wrong, in a line: of what, and what. A warning asks for a look; it contradicts nothing."""

    check: Check
    subject: str
    text: str
    is_warning: bool = False


def check_run(run: TrainRun, bookings: Bookings, now: datetime, tolerance: timedelta) -> list[Finding]:
    """All that is wrong with a run and its bookings, of which `bookings` are all, as they were at the run's version.

    `tolerance` is how long after its time something may be undone.
    """
    subject = f"run {run.run_id}"
    findings: list[Finding] = []
    is_line_open = waitlist_closing_time(run) > now + tolerance
    for check, problems in _RUN_CHECKS.items():
        if check is Check.WAITLIST_PROMOTED and not is_line_open:
            continue
        try:
            findings.extend(Finding(check, subject, text) for text in problems(run, bookings))
        except (Refusal, ArithmeticError, LookupError, TypeError, ValueError) as error:
            findings.append(Finding(check, subject, f"cannot be checked: {error!r}"))
    findings.extend(Finding(Check.DUE, subject, text, is_warning=True) for text in overdue(run, now - tolerance))
    return findings


def seats_sold_twice(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Seats that two bookings or holds have on one leg."""
    for (section, number), claims in sorted(_claims(run, bookings).items()):
        taken = 0
        for _, legs in claims:
            if taken & legs:
                holders = ", ".join(sorted(holder for holder, _ in claims))
                yield f"seat {section}-{number} is sold twice on {_named(taken & legs)}: {holders}"
            taken |= legs


def wrong_sold_legs(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Seats whose sold legs are not those of their bookings and holds, and travellers without a seat."""
    claims = _claims(run, bookings)
    for section in run.sections:
        for number, sold in enumerate(section.sold_legs, 1):
            if not sold and not claims:
                continue
            claimed = 0
            for _, legs in claims.pop((section.name, number), ()):
                claimed |= legs
            if sold & ~claimed:
                yield f"seat {section.name}-{number} is sold on {_named(sold & ~claimed)}, and no booking or hold has it"
            if claimed & ~sold:
                yield f"seat {section.name}-{number} is not sold on {_named(claimed & ~sold)}, and a booking or hold has it"
    for (name, number), holders in sorted(claims.items()):
        yield f"there is no seat {name}-{number}, and {holders[0][0]} has it"
    for booking in bookings.values():
        if booking.state is BookingState.CONFIRMED and any(one.seat is None for one in booking.passengers):
            yield f"booking {booking.reference} is CONFIRMED and has a passenger without a seat"


def wrong_inventory(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Legs that are neither sold nor on offer, or both, or on offer twice."""
    for section in run.sections:
        if not 1 <= section.next_number <= section.size + 1:
            yield f"section {section.name} has {section.size} seats, and its counter stands at {section.next_number}"
        for number, sold in enumerate(section.sold_legs, 1):
            # Most seats of most runs were never given out: those are told apart here, at a tenth of the time.
            if sold or number < section.next_number or number in section.freed:
                yield from _wrong_seat(run, section, number)
        for number in section.freed.keys() - range(1, section.size + 1):
            yield f"there is no seat {section.name}-{number}, and it is among those that came free"


def _wrong_seat(run: TrainRun, section: SectionSeats, number: int) -> Iterator[str]:
    label, sold = f"seat {section.name}-{number}", section.sold_legs[number - 1]
    if sold & ~section.all_legs:
        yield f"{label} is sold on {_named(sold & ~section.all_legs)}, which the train does not go"
    entries = section.freed.get(number, ())
    if number >= section.next_number:
        if entries:
            yield f"{label} is above the counter ({section.next_number}), and is among those that came free"
        return
    offered = 0
    for sequence, legs in entries:
        if offered & legs:
            yield f"{label} is on offer twice on {_named(offered & legs)}"
        if not 0 < sequence <= run.freed_sequence:
            yield f"{label} came free as number {sequence}, and the last number given out is {run.freed_sequence}"
        offered |= legs
    if offered & sold:
        yield f"{label} is sold on {_named(offered & sold)}, and on offer there"
    missing = section.all_legs & ~sold & ~offered
    if missing:
        yield f"{label} is neither sold nor on offer on {_named(missing)}; the counter ({section.next_number}) has passed it"


def passengers_on_two_bookings(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Passengers, by address and name, who stand on more than one live booking, or twice on one."""
    references: dict[str, list[str]] = defaultdict(list)
    for booking in bookings.values():
        if booking.is_live:
            for passenger in booking.passengers:
                references[passenger.key].append(booking.reference)
    for key, found in sorted(references.items()):
        if len(found) > 1:
            yield f"{key} is on {len(found)} live bookings: {', '.join(sorted(found))}"


def wrong_passenger_numbers(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Bookings whose passengers, those included who have left, have one number twice, or one that no booking gives."""
    for booking in bookings.values():
        numbers = [passenger.number for passenger in all_passengers(booking)]
        if len(set(numbers)) < len(numbers) or not all(1 <= number <= PASSENGERS_PER_BOOKING_MAX for number in numbers):
            yield f"booking {booking.reference} has the passenger numbers {', '.join(map(str, sorted(numbers)))}"


def wrong_waitlist(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Places in the line that no booking waits at, and bookings that wait at no place, or at another than theirs."""
    waiting = {one.ticket_number: one for one in bookings.values() if one.state is BookingState.WAITLISTED}
    for number, place in sorted(run.waitlist.items()):
        if number > run.last_ticket_number:
            yield f"place {number} of the line is above the last one given out, {run.last_ticket_number}"
        booking = waiting.get(number)
        if booking is None or booking.reference != place.reference:
            yield f"place {number} of the line is that of booking {place.reference}, which does not wait there"
            continue
        kept = (place.section, place.legs, place.count)
        wanted = (booking.wanted_section, booking.journey.legs, len(booking.passengers))
        if kept != wanted:
            has, wants = _demand(*kept), _demand(*wanted)
            yield f"place {number} of the line is for {has}; booking {booking.reference} waits for {wants}"
    for booking in bookings.values():
        is_waiting, place_kept = booking.state is BookingState.WAITLISTED, run.waitlist.get(booking.ticket_number)
        if is_waiting and (place_kept is None or place_kept.reference != booking.reference):
            yield f"booking {booking.reference} waits at place {booking.ticket_number}, which is not its own"
        if is_waiting and any(one.seat is not None for one in booking.passengers):
            yield f"booking {booking.reference} waits, and has a seat"


def promotable_bookings(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Bookings for which there are seats, and which still wait. Of an open line only."""
    found: dict[tuple[str, int, int], bool] = {}
    names = {section.name for section in run.sections}
    for number, place in sorted(run.waitlist.items()):
        demand = (place.section, place.legs, place.count)
        if demand not in found:
            is_known = not place.section or place.section in names
            found[demand] = is_known and next_free_seats(run, *demand) is not None
        if found[demand]:
            yield f"booking {place.reference} waits at place {number} for {_demand(*demand)}, and there is what it waits for"


def bookings_newer_than_run(run: TrainRun, bookings: Bookings) -> Iterator[str]:
    """Bookings that say they were changed by a commit that the run has not seen."""
    for booking in bookings.values():
        if booking.revision > run.version:
            yield f"booking {booking.reference} has revision {booking.revision}, and the run version {run.version}"


def overdue(run: TrainRun, before: datetime) -> Iterator[str]:
    """What should have ended before then: somebody's command, or the worker, sees to it."""
    held = sum(1 for hold in run.holds.values() if hold.expire_time < before)
    if held:
        yield f"{held} expired holds still have their seats; is a worker running?"
    if run.waitlist and waitlist_closing_time(run) < before:
        yield f"the line is closed, and {len(run.waitlist)} bookings still wait in it; is a worker running?"


def check_references(run_id: str, duplicated: Sequence[str], bookings_of_other_runs: Mapping[str, str]) -> list[Finding]:
    """References that a run's document carries `duplicated`, and those that another run has as well."""
    subject = f"run {run_id}"
    texts = [f"booking {reference} stands twice among the recent ones" for reference in duplicated]
    texts += [
        f"reference {one} is also that of a booking of run {other}" for one, other in sorted(bookings_of_other_runs.items())
    ]
    return [Finding(Check.REFERENCES, subject, text) for text in texts]


def check_outbox(run_id: str, outbox: Sequence[Event], before: datetime) -> list[Finding]:
    """Events that were in the run's document before then, and still are."""
    left = [event for event in outbox if event.time < before]
    if not left:
        return []
    text = f"{len(left)} events have not left the run's document, the first since {left[0].time:%Y-%m-%d %H:%M:%S}"
    return [Finding(Check.EVENTS, f"run {run_id}", text)]


_RUN_CHECKS: Mapping[Check, Callable[[TrainRun, Bookings], Iterator[str]]] = {
    Check.SOLD_ONCE: seats_sold_twice,
    Check.SOLD_LEGS: wrong_sold_legs,
    Check.INVENTORY: wrong_inventory,
    Check.ONE_BOOKING: passengers_on_two_bookings,
    Check.PASSENGER_NUMBERS: wrong_passenger_numbers,
    Check.WAITLIST_ENTRIES: wrong_waitlist,
    Check.WAITLIST_PROMOTED: promotable_bookings,
    Check.REVISIONS: bookings_newer_than_run,
}


def _claims(run: TrainRun, bookings: Bookings) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """Who has which seat on which legs, by section and number. Holds have theirs until somebody has noticed their end."""
    claims: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for booking in bookings.values():
        if booking.state is BookingState.CONFIRMED:
            for passenger in booking.passengers:
                if passenger.seat is not None:
                    place = (passenger.seat.section, passenger.seat.number)
                    claims[place].append((f"booking {booking.reference}", booking.journey.legs))
    for hold in run.holds.values():
        for seat in hold.seats:
            claims[seat.section, seat.number].append((f"hold {hold.key}", hold.legs))
    return claims


def _named(legs: int) -> str:
    """`leg 1`, or `legs 1, 3`: from 1, in the order of the way."""
    numbers = [str(index + 1) for index in range(legs.bit_length()) if legs >> index & 1]
    return f"{'leg' if len(numbers) == 1 else 'legs'} {', '.join(numbers)}"


def _demand(section: str, legs: int, count: int) -> str:
    return f"{count} in {f'section {section}' if section else 'any section'} on {_named(legs)}"
