"""Runs and seat maps as messages: also where the layout was changed, or is about to be."""

from __future__ import annotations

from app.domain.layout.operations import RemoveSection
from app.domain.people import Caller
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from app.pb.seatline.v1 import train_run_pb2
from app.rpc.train_runs import answers
from app.usecases.train_runs import RunView
from tests.support.builders import ASHFORD, LONDON, NOW, PARIS, a_run, book, book_waitlisted, fill, hold
from tests.support.layout_changes import change_layout, remove_seats
from tests.support.run_changes import a_layout_record, a_layout_reservation

ANYONE = Caller()


def view_of(run: TrainRun, origin: str = "", destination: str = "") -> RunView:
    return RunView(run, run.journey(origin, destination), RunState.SCHEDULED, NOW)


def states(run: TrainRun, origin: str = "", destination: str = "") -> dict[str, str]:
    """Return the state of each seat of the seat map by its label."""
    seats = answers.seat_map(view_of(run, origin, destination)).seats
    return {entry.seat.label: train_run_pb2.SeatState.Name(entry.state).removeprefix("SEAT_STATE_") for entry in seats}


def sections(run: TrainRun) -> dict[str, tuple[int, int, int]]:
    """Return seats, free seats and waiting bookings of each section."""
    found = answers.train_run(view_of(run), ANYONE).sections
    return {part.section: (part.seat_count, part.free_seat_count, part.waiting_count) for part in found}


def test_retired_seats_are_neither_counted_nor_shown() -> None:
    run = a_run("A3 A2 B2")
    book(run, "jane", seats=[2])
    remove_seats(run, "A", 3, 4, 5)
    assert sections(run) == {"A": (2, 1, 0), "B": (2, 2, 0)}
    assert states(run) == {"A-1": "FREE", "A-2": "SOLD", "B-1": "FREE", "B-2": "FREE"}


def test_a_removed_section_is_not_shown() -> None:
    run = a_run("A2 B2")
    change_layout(run, RemoveSection("A"))
    assert sections(run) == {"B": (2, 2, 0)}
    assert list(states(run)) == ["B-1", "B-2"]


def test_seats_on_hold_and_seats_that_a_layout_plan_claims_are_held_on_their_legs() -> None:
    run = a_run("A2 B2")
    hold(run, "jane", seats=[2], origin=LONDON, destination=ASHFORD)
    run.set_layout_reservation(a_layout_reservation())  # it claims the first two legs of B-2
    assert states(run) == {"A-1": "FREE", "A-2": "HELD", "B-1": "FREE", "B-2": "HELD"}
    assert states(run, ASHFORD, PARIS) == {"A-1": "FREE", "A-2": "FREE", "B-1": "FREE", "B-2": "HELD"}


def test_displaced_passengers_wait_for_each_section_that_they_would_take() -> None:
    run = a_run("A2 B2 C2", fares={"A": 2_000, "B": 3_000, "C": 1_000})
    for section in ("A", "B", "C"):
        fill(run, section)
    book_waitlisted(run, "joe", section="C")
    remove_seats(run, "A", 1)
    assert sections(run) == {"A": (1, 0, 1), "B": (2, 0, 1), "C": (2, 0, 1)}


def test_a_run_says_whether_it_is_hidden_and_which_layout_it_has() -> None:
    run = a_run()
    answer = answers.train_run(view_of(run), ANYONE)
    assert (answer.hidden, answer.layout_etag) == (False, "layout-0")
    run.set_hidden(hidden=True)
    run.set_layout(a_layout_record())
    answer = answers.train_run(view_of(run), ANYONE)
    assert (answer.hidden, answer.layout_etag) == (True, "layout-1")
