"""Builders for tests: trains, runs, people and commands, with small defaults.

Belongs here: domain values, made from what a test states and defaults for the rest. Does not belong here: assertions,
I/O, messages.

A layout is a word for each coach, its section and its number of seats: "A4 A4 B2" has coaches 1 and 2 in section A, 3 in B.
A local time is "10:24", or "00:40+1" for the day after the travel date. Who is named "jane" has the address jane@example.com;
where there is an "@", the name is the address.
"""

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from itertools import count

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.booking import Authorization, Booking
from app.domain.commands import (
    CancelBooking,
    ChangeSeat,
    CreateBooking,
    HoldSeats,
    IfFull,
    PromoteWaitlist,
    QuoteBooking,
    ReleaseHold,
    UpdateBooking,
)
from app.domain.money import Money
from app.domain.passenger import identity_of
from app.domain.people import Caller, Person, Role
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.expire_due import expire_due
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.quote_booking import quote_booking
from app.domain.rules.release_hold import release_hold
from app.domain.rules.sale_checks import BookingsOfOtherRuns
from app.domain.run.hold import Hold, hold_id
from app.domain.run.new_run import make_run
from app.domain.run.train_run import TrainRun
from app.domain.terms import DEFAULT_TERMS, SalesTerms
from app.domain.timetable import Call, TimetableStop
from app.domain.train import Coach, Section, Train

LONDON, ASHFORD, LILLE, PARIS = "London St Pancras", "Ashford", "Lille", "Paris Gare du Nord"
TRAIN_ID = "es9014"
TRAVEL_DATE = date(2026, 9, 1)
NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)  # a month before the train leaves
DEPARTS_LONDON = datetime(2026, 9, 1, 9, 24, tzinfo=UTC)
DEPARTS_LILLE = datetime(2026, 9, 1, 10, 52, tzinfo=UTC)
FARE_MINOR = 2_000

_request_numbers = count(1)


def seeded_random(seed: int) -> random.Random:
    """Return a random generator with a fixed seed."""
    return random.Random(seed)  # noqa: S311 - no secret


def a_call(text: str) -> Call:
    """Return a local time from text such as "10:24" or "00:40+1"."""
    clock, _, days = text.partition("+")
    return Call(time.fromisoformat(clock), int(days or 0))


def a_stop(name: str, zone: str = "Europe/London", arrive: str = "", depart: str = "", code: str = "") -> TimetableStop:
    """Build a stop of a timetable."""
    return TimetableStop(name, code, zone, a_call(arrive) if arrive else None, a_call(depart) if depart else None)


def london_to_paris() -> tuple[TimetableStop, ...]:
    """Return the stops London, Ashford, Lille, Paris: three legs across a border."""
    return (
        a_stop(LONDON, "Europe/London", depart="10:24", code="STP"),
        a_stop(ASHFORD, "Europe/London", arrive="10:55", depart="10:58", code="AFK"),
        a_stop(LILLE, "Europe/Paris", arrive="12:48", depart="12:52", code="LIL"),
        a_stop(PARIS, "Europe/Paris", arrive="13:56", code="PNO"),
    )


def a_train(
    layout: str = "A4 B4",
    *,
    train_id: str = TRAIN_ID,
    number: str = "ES 9014",
    stops: Iterable[TimetableStop] | None = None,
    fares: Mapping[str, int] | None = None,
    currency: str = "USD",
    terms: SalesTerms = DEFAULT_TERMS,
) -> Train:
    """Build a train. `fares` are minor units by section, 20.00 by default."""
    coaches = tuple(Coach(str(index), word[0], int(word[1:])) for index, word in enumerate(layout.split(), 1))
    sections = dict.fromkeys(coach.section for coach in coaches)
    return Train(
        train_id=train_id,
        number=number,
        stops=london_to_paris() if stops is None else tuple(stops),
        sections=tuple(Section(name, Money((fares or {}).get(name, FARE_MINOR), currency)) for name in sections),
        coaches=coaches,
        terms=terms,
    )


def a_run(
    layout: str = "A4 B4",
    *,
    travel_date: date = TRAVEL_DATE,
    stops: Iterable[TimetableStop] | None = None,
    fares: Mapping[str, int] | None = None,
    terms: SalesTerms = DEFAULT_TERMS,
) -> TrainRun:
    """Build an unsold run of `a_train`."""
    return make_run(a_train(layout, stops=stops, fares=fares, terms=terms), travel_date)


def an_address(who: str) -> str:
    """Return jane@example.com for "jane"; leave an address as it is."""
    return who if "@" in who else f"{who}@example.com"


def a_person(who: str = "jane", *, first_name: str = "", last_name: str = "Doe") -> Person:
    """Build a person, Jane Doe by default."""
    return Person(first_name or who.partition("@")[0].capitalize(), last_name, an_address(who))


def key_of(who: str) -> str:
    """Return the passenger key of `a_person` with that name."""
    return identity_of(a_person(who), "")[1]


def relatives(address: str, *first_names: str) -> tuple[Person, ...]:
    """Build people with one address and several names; an empty `address` stays empty."""
    return tuple(Person(name, "Doe", address) for name in first_names)


def a_caller(who: str = "jane") -> Caller:
    """Build a caller who is a passenger."""
    return Caller(an_address(who))


def an_operator(who: str = "olga") -> Caller:
    """Build a caller who is an operator."""
    return Caller(an_address(who), frozenset((Role.OPERATOR,)))


def a_request_id() -> str:
    """Return a new request_id."""
    return f"request-{next(_request_numbers)}"


def asks_for_seats(
    *who: str | Person,
    by: str = "",
    request_id: str = "",
    origin: str = LONDON,
    destination: str = PARIS,
    section: str = "",
    seats: Iterable[int] = (),
    travel_date: date = TRAVEL_DATE,
    if_full: IfFull = IfFull.REJECT,
    hold_id: str = "",
    payment: Authorization | None = None,
) -> CreateBooking:
    """Build a CreateBooking for these passengers (Jane by default), sent by the first of them or by `by`."""
    passengers = tuple(person if isinstance(person, Person) else a_person(person) for person in who or ("jane",))
    address = an_address(by) if by else passengers[0].email
    return CreateBooking(
        caller=Caller(address),
        user=Person("", "", address),
        request_id=request_id or a_request_id(),
        train_id=TRAIN_ID,
        travel_date=travel_date.isoformat(),
        origin=origin,
        destination=destination,
        section=section,
        passengers=passengers,
        seat_numbers=tuple(seats),
        if_full=if_full,
        hold_id=hold_id,
        payment=payment,
    )


def asks_for_new_fields(
    booking: Booking,
    *people: Person,
    fields: Iterable[str] = (),
    numbers: tuple[int, ...] = (),
    by: Caller | None = None,
    etag: str = "",
) -> UpdateBooking:
    """Build an UpdateBooking of all three fields or of `fields`, sent by the booker or by `by`."""
    masked = frozenset(fields or ("first_name", "last_name", "email"))
    return UpdateBooking(by or Caller(booking.user.email), booking.reference, people, masked, etag, numbers)


def asks_for_another_seat(
    booking: Booking, *, who: str = "", section: str = "", number: int = 0, by: Caller | None = None, etag: str = ""
) -> ChangeSeat:
    """Build a ChangeSeat of the first passenger or of `who`, sent by the booker or by `by`."""
    email = an_address(who) if who else booking.passengers[0].person.email
    return ChangeSeat(by or Caller(booking.user.email), booking.reference, email, section, number, etag)


def asks_to_cancel(
    booking: Booking, *who: str | int, by: Caller | None = None, validate_only: bool = False, etag: str = ""
) -> CancelBooking:
    """Build a CancelBooking of these passengers, by name or number, or of all, sent by the booker or by `by`."""
    emails = tuple(an_address(name) for name in who if isinstance(name, str))
    numbers = tuple(number for number in who if isinstance(number, int))
    return CancelBooking(
        by or Caller(booking.user.email), booking.reference, emails, validate_only, etag, passenger_numbers=numbers
    )


def asks_to_hold(
    who: str = "jane",
    *,
    count: int = 0,
    seats: Iterable[int] = (),
    section: str = "A",
    origin: str = LONDON,
    destination: str = PARIS,
    seconds: int = 300,
    request_id: str = "",
) -> HoldSeats:
    """Build a HoldSeats of these seats, or of the next `count` seats, one by default."""
    numbers = tuple(seats)
    return HoldSeats(
        caller=a_caller(who),
        request_id=request_id or a_request_id(),
        train_id=TRAIN_ID,
        travel_date=TRAVEL_DATE.isoformat(),
        origin=origin,
        destination=destination,
        section=section,
        seat_numbers=numbers,
        seat_count=0 if numbers else count or 1,
        seconds=seconds,
    )


def name_of(run: TrainRun, hold: Hold) -> str:
    """Return the hold_id that clients use."""
    return hold_id(run.train_id, run.travel_date, hold.key)


def asks_to_release(run: TrainRun, hold: Hold, *, by: Caller | None = None) -> ReleaseHold:
    """Build a ReleaseHold, sent by the owner of the hold or by `by`."""
    return ReleaseHold(by or Caller(hold.owner_key), name_of(run, hold))


def asks_to_promote(*, by: Caller | None = None) -> PromoteWaitlist:
    """Build a PromoteWaitlist, sent by an operator or by `by`."""
    return PromoteWaitlist(by or an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat())


def authorized(minor: int = FARE_MINOR, currency: str = "USD", *, time: datetime = NOW) -> Authorization:
    """Build an authorization, made at `time`, by default just now."""
    return Authorization("payment-1", "authorization-1", Money(minor, currency), time)


def sell(
    run: TrainRun, command: CreateBooking, *, now: datetime = NOW, bookings_of_other_runs: BookingsOfOtherRuns | None = None
) -> Booking:
    """Book, and commit the change to the run."""
    booking = create_booking(run, command, now, bookings_of_other_runs or {})
    run.committed()
    return booking


def quote(run: TrainRun, command: CreateBooking, *, now: datetime = NOW, amounts: AmountRules = ANY_AMOUNT) -> Booking | Money:
    """Return the highest price of the request, or the booking that it made before."""
    found = quote_booking(run, QuoteBooking(command, amounts), now, {})
    return found.price if found.existing is None else found.existing.booking


def book(
    run: TrainRun,
    *who: str | Person,
    section: str = "A",
    seats: Iterable[int] = (),
    origin: str = LONDON,
    destination: str = PARIS,
) -> Booking:
    """Book for these passengers (Jane by default), and commit."""
    return sell(run, asks_for_seats(*who, section=section, seats=seats, origin=origin, destination=destination))


def book_waitlisted(
    run: TrainRun,
    *who: str | Person,
    section: str = "A",
    by: str = "",
    origin: str = LONDON,
    destination: str = PARIS,
    now: datetime = NOW,
) -> Booking:
    """Book for these passengers on a train that has no seats for them, and commit: the booking is waitlisted."""
    command = asks_for_seats(*who, section=section, by=by, origin=origin, destination=destination, if_full=IfFull.WAITLIST)
    return sell(run, command, now=now)


def hold(
    run: TrainRun,
    who: str = "jane",
    *,
    count: int = 0,
    seats: Iterable[int] = (),
    section: str = "A",
    origin: str = LONDON,
    destination: str = PARIS,
    seconds: int = 300,
    now: datetime = NOW,
) -> Hold:
    """Hold these seats, or the next `count` seats, one by default, and commit."""
    command = asks_to_hold(
        who, count=count, seats=seats, section=section, origin=origin, destination=destination, seconds=seconds
    )
    made = hold_seats(run, command, now)
    run.committed()
    return made


def release(run: TrainRun, held: Hold, *, now: datetime = NOW) -> None:
    """Release the hold, and commit."""
    release_hold(run, asks_to_release(run, held), now)
    run.committed()


def time_passes(run: TrainRun, now: datetime) -> None:
    """Expire what is due by now, and commit."""
    expire_due(run, now)
    run.committed()


def current_booking(run: TrainRun, booking: Booking) -> Booking:
    """Return the present version of a booking."""
    return run.bookings[booking.reference]


def fill(run: TrainRun, section: str = "A", *, origin: str = LONDON, destination: str = PARIS) -> list[Booking]:
    """Book every seat of the section, one booking each: a1 gets seat 1, a2 seat 2, and so on."""
    index = run.section_index(section)
    return [
        book(run, f"{section.lower()}{number}", section=section, origin=origin, destination=destination)
        for number in range(run.sections[index].next_number, run.sections[index].size + 1)
    ]


def cancel(run: TrainRun, booking: Booking, *who: str | int, by: Caller | None = None, now: datetime = NOW) -> Booking:
    """Cancel these passengers of a booking, or all, and commit."""
    changed = cancel_booking(run, asks_to_cancel(booking, *who, by=by), now)
    run.committed()
    return changed


def move(run: TrainRun, booking: Booking, *, who: str = "", section: str = "", number: int = 0, now: datetime = NOW) -> Booking:
    """Move the first passenger, or `who`, to another seat, and commit."""
    changed = change_seat(run, asks_for_another_seat(booking, who=who, section=section, number=number), now)
    run.committed()
    return changed


def seat_labels(booking: Booking) -> list[str]:
    """Return the labels of the booking's seats, in the order of the passengers."""
    return [passenger.assigned_seat.label for passenger in booking.passengers]
