"""The largest layout changes that one commit has to take."""

import bson
import pytest

from app.domain import limits
from app.domain.booking import Booking
from app.domain.commands import IfFull
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.operations import AddCoach, RemoveSeats, SetSeatCount
from app.domain.people import Person
from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from app.store.booking_documents import booking_document
from app.store.event_documents import event_batch_document
from app.store.run_documents import run_document
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import NOW, a_run, asks_for_seats, book_waitlisted
from tests.support.largest_values import LETTER
from tests.support.layout_changes import asks_for_layout, decide_alone
from tests.support.run_snapshots import refused

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024  # of MongoDB
LARGEST = " ".join(["A400"] * 12 + ["A200"])
TERMS = SalesTerms(waitlist_max=limits.WAITLIST_MAX, passengers_per_booker_max=limits.PASSENGERS_PER_BOOKER_MAX)


def the_longest_person(number: int) -> Person:
    """A person whose names and address have as many bytes as they may."""
    name = f"{number:05}" + LETTER * (limits.NAME_LENGTH_MAX - 5)
    host = "@example.com"
    return Person(name, name, f"{number:05}" + LETTER * (limits.EMAIL_LENGTH_MAX - 5 - len(host)) + host)


def sell_groups(run: TrainRun, count: int, *, if_full: IfFull = IfFull.REJECT) -> list[Booking]:
    """Sell seats, or places on the waitlist, to groups of nine."""
    made = []
    for number in range(count):
        who = [the_longest_person(number * 10 + position) for position in range(limits.PASSENGERS_PER_BOOKING_MAX)]
        made.append(create_booking(run, asks_for_seats(*who, section="A", if_full=if_full), NOW, {}))
        run.committed()
    return made


def document_bytes_after(run: TrainRun, command: UpdateLayout) -> int:
    """Decide the command. Return the size of the run's document after the commit, before anything of it is archived."""
    document = run_document(run, NOW)
    decide(run, command, NOW, {})
    recent = [booking_document(run.bookings[reference]) for reference in run.change_set.bookings]
    update = run_update(run, recent, [event_batch_document(run.change_set.events)])
    return len(bson.encode(applied(document, update)))


def test_the_largest_change_of_the_largest_train_fits_one_commit() -> None:
    run = a_run(LARGEST, terms=TERMS)
    groups = sell_groups(run, limits.DISPLACED_PASSENGERS_MAX)
    numbers = tuple(booking.passengers[0].assigned_seat.number for booking in groups)
    size = document_bytes_after(run, asks_for_layout(RemoveSeats("A", numbers)))
    assert 13_000_000 < size < DOCUMENT_BYTES_MAX - 1_500_000  # the rest is for a full waitlist and all holds


def test_a_change_that_promotes_more_bookings_than_one_commit_takes_is_made_in_steps() -> None:
    run = a_run("A1", terms=TERMS)
    book_waitlisted(run, "first")
    for number in range(limits.LAYOUT_BOOKINGS_MAX + 1):
        book_waitlisted(run, f"w{number}")
    coaches = (AddCoach("2", "A", 400), AddCoach("3", "A", 101))
    with refused(Reason.DISPLACED_TOO_MANY, run) as caught:
        decide(run, asks_for_layout(*coaches), NOW, {})
    assert "changes 501 bookings" in caught[0].message
    decide_alone(run, asks_for_layout(AddCoach("2", "A", 400)))
    decide_alone(run, asks_for_layout(SetSeatCount("1", 102)))
    assert not run.waitlist


@pytest.mark.parametrize("displaced", [True, False])
def test_the_limit_of_bookings_counts_displaced_and_promoted_ones(displaced: bool) -> None:
    run = a_run("A301 A1", terms=TERMS)
    for number in range(302 + 201):
        book_waitlisted(run, f"p{number}", section="A")
    assert len(run.waitlist) == 201
    gone = (RemoveSeats("A", tuple(range(1, 301))),) if displaced else ()
    command = asks_for_layout(*gone, AddCoach("3", "A", 400), AddCoach("4", "A", 101))
    if displaced:
        with refused(Reason.DISPLACED_TOO_MANY, run):
            decide(run, command, NOW, {})
    else:
        assert decide(run, command, NOW, {}).counts.promoted_bookings == 201
