"""The largest step of a cancellation that one commit has to take, measured by a step of a tenth of its bookings."""

from itertools import count

import bson
import pytest

from app.domain import limits
from app.domain.commands import IfFull
from app.domain.people import Caller, Person
from app.domain.reference import reference_for
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings
from app.domain.terms import SalesTerms
from app.store.booking_documents import booking_document
from app.store.event_documents import event_batch_document
from app.store.run_documents import run_document
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import LILLE, NOW, PARIS, a_run, asks_for_seats
from tests.support.cancellations import cancel_run, cancellation_of
from tests.support.largest_values import LETTER

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024  # of MongoDB
GROUP = limits.PASSENGERS_PER_BOOKING_MAX
SHARE = 10
BOOKINGS = limits.CANCELLED_BOOKINGS_PER_COMMIT // SHARE
SEATS = BOOKINGS * GROUP
TERMS = SalesTerms(waitlist_max=limits.WAITLIST_MAX, passengers_per_booker_max=limits.PASSENGERS_PER_BOOKER_MAX)


def the_longest_person(number: int) -> Person:
    """A person whose names and address have as many bytes as they may."""
    name = f"{number:05}" + LETTER * (limits.NAME_LENGTH_MAX - 5)
    host = "@example.com"
    return Person(name, name, f"{number:05}" + LETTER * (limits.EMAIL_LENGTH_MAX - 5 - len(host)) + host)


def sell(run: TrainRun, who: list[Person], destination: str, *, looked_at_first: bool) -> None:
    """Book under a reference in the first or second half of all references."""
    request_ids = (f"request-{number}" for number in count())
    request_id = next(name for name in request_ids if (reference_for(who[0].key, name, 0) < "G") is looked_at_first)
    command = asks_for_seats(*who, section="A", destination=destination, if_full=IfFull.WAITLIST, request_id=request_id)
    create_booking(run, command, NOW, {})
    run.committed()


def test_a_step_that_cancels_the_largest_groups_and_promotes_into_all_their_seats_fits_one_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CANCELLED_BOOKINGS_PER_COMMIT", BOOKINGS)
    run = a_run(f"A{SEATS}", terms=TERMS)
    people = [the_longest_person(number) for number in range(2 * SEATS)]
    for start in range(0, SEATS, GROUP):
        sell(run, people[start : start + GROUP], PARIS, looked_at_first=True)
    for person in people[SEATS:]:
        sell(run, [person], LILLE, looked_at_first=False)
    assert len(run.waitlist) == SEATS
    cancel_run(run, LILLE)
    document = run_document(run, NOW)
    decide(run, CancelNextBookings(Caller(), run.run_id), NOW, {})
    assert (cancellation_of(run).passenger_count, len(run.waitlist)) == (SEATS, 0)
    recent = [booking_document(run.bookings[reference]) for reference in run.change_set.bookings]
    update = run_update(run, recent, [event_batch_document(run.change_set.events)])
    size = len(bson.encode(applied(document, update)))
    assert 11_000_000 < size * SHARE < DOCUMENT_BYTES_MAX - 1_000_000
