"""Cancellations of random runs, while others go on booking: what has to hold after each step and at the end."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from app.domain import limits
from app.domain.booking import Booking, BookingState, RefundReason
from app.domain.commands import Command
from app.domain.events import EventType
from app.domain.people import Caller
from app.domain.refusals import Refusal
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings
from app.store.run_documents import run_document
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import ASHFORD, LILLE, NOW, seeded_random
from tests.support.cancellations import STEPS_MAX, asks_to_cancel_run, cancellation_of
from tests.support.layout_changes import asks_for_layout, decide_alone
from tests.support.layout_requirements import require_sound
from tests.support.random_sold_runs import a_random_run, random_operations, something_else_happens

SEEDS = 150
STOPS = ("", ASHFORD, LILLE)
EXTENSIONS = {LILLE: ("", ASHFORD), ASHFORD: ("",), "": ()}
Before = dict[str, Booking]


class Cancelling:
    """A random run, and the events that cancelled bookings or promoted them while it was cancelled."""

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chance = seeded_random(seed)
        self.run, self.train = a_random_run(self.chance)
        if self.chance.random() < 0.5:
            change_the_layout(self.run, self.chance)
        self.cancelled, self.promoted = Counter[str](), set[str]()
        monkeypatch.setattr(limits, "CANCELLED_BOOKINGS_PER_COMMIT", self.chance.randint(1, 6))

    def decide(self, command: Command[object], now: datetime = NOW) -> object:
        """Decide a command alone and commit, as it is written to the database."""
        stored = run_document(self.run, NOW)
        expire_due(self.run, now)
        result = decide(self.run, command, now, {})
        for event in self.run.change_set.events:
            if event.event_type is EventType.BOOKING_CANCELLED and event.data.get("cause") == "run_cancelled":
                self.cancelled[event.subject] += 1
            elif event.event_type is EventType.BOOKING_PROMOTED:
                self.promoted.add(event.subject)
        update = run_update(self.run, [], [])
        if self.run.change_set:
            self.run.committed()
        written, after = applied(stored, update), run_document(self.run, NOW)
        assert {name: written[name] for name in after if name != "version"} == {
            name: after[name] for name in after if name != "version"
        }
        return result

    def step(self, now: datetime = NOW) -> bool:
        """Cancel the next bookings; return whether any may be left."""
        return self.decide(CancelNextBookings(Caller(), self.run.run_id), now) is True

    def require_nothing_left(self, now: datetime = NOW) -> None:
        """Nothing on the run touches the missing legs, and each booking that was cancelled was cancelled once."""
        run, record = self.run, cancellation_of(self.run)
        missing = run.schedule.missing_legs
        assert record.complete_time is not None
        assert not [booking for booking in run.bookings.values() if booking.is_live and booking.journey.legs & missing]
        assert not [entry for entry in run.waitlist.values() if entry.legs & missing]
        assert not [hold for hold in run.holds.values() if hold.legs & missing]
        for section in run.sections:
            numbers = range(1, section.size + 1)
            assert not [
                number for number in numbers if section.sold_legs[number - 1] & missing and not section.is_retired(number)
            ]
        assert set(self.cancelled.values()) <= {1}
        assert record.booking_count == len(self.cancelled)
        assert record.passenger_count == sum(len(run.bookings[reference].passengers) for reference in self.cancelled)
        assert record.refunded_minor == sum(run.bookings[reference].price.minor for reference in self.cancelled)
        require_sound(run, self.train, now)

    def require_exact_money(self, before: Before) -> None:
        """Who ended with the run has all of the last fares back. A month ahead, the terms return everything to others, too."""
        for reference, booking in self.run.bookings.items():
            left_minor = booking.charged_minor - sum(refund.minor for refund in booking.refunds)
            assert left_minor == (booking.price.minor if booking.is_live else 0)
            if reference in self.cancelled:
                last = booking.refunds[-1]
                assert (last.minor, last.reason) == (booking.price.minor, RefundReason.RUN_CANCELLED)
            elif reference in before and not before[reference].is_live:
                assert booking == before[reference]


def change_the_layout(run: TrainRun, chance: random.Random) -> None:
    """Change the layout, so that some have lost their seats, or reserve the seats of a plan; neither where it is refused."""
    operations, reserve_seconds = random_operations(run, chance), chance.choice((0, 0, 600))
    try:
        decide_alone(run, asks_for_layout(*operations, allow_lower=True, reserve_seconds=reserve_seconds))
    except Refusal:
        run.undo()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_everybody_is_refunded_once_and_nothing_is_left(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Cancelling(seed, monkeypatch)
    run, before = case.run, dict(case.run.bookings)
    case.decide(asks_to_cancel_run(case.chance.choice(STOPS)))
    missing = run.schedule.missing_legs
    assert any(case.step() is False for _ in range(STEPS_MAX))
    case.require_nothing_left()
    case.require_exact_money(before)
    affected = {reference for reference, booking in before.items() if booking.is_live and booking.journey.legs & missing}
    assert set(case.cancelled) == affected
    for reference in before.keys() - affected - case.promoted:
        assert run.bookings[reference] == before[reference], "somebody else was touched"
    assert not case.promoted & affected


@pytest.mark.parametrize("seed", range(SEEDS, 2 * SEEDS))
def test_nothing_is_left_though_others_go_on_and_the_cancellation_is_extended(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Cancelling(seed, monkeypatch)
    run, chance, now = case.run, case.chance, NOW
    from_stop = chance.choice(STOPS)
    before = dict(run.bookings)
    case.decide(asks_to_cancel_run(from_stop))
    for _ in range(STEPS_MAX):
        if chance.random() < 0.1 and EXTENSIONS[from_stop]:
            from_stop = chance.choice(EXTENSIONS[from_stop])
            case.decide(asks_to_cancel_run(from_stop), now)
        something_else_happens(run, chance, now)
        now += timedelta(milliseconds=chance.randint(0, 50))
        if chance.random() < 0.5 and not case.step(now):
            break
    case.require_nothing_left(now)
    case.require_exact_money(before)


@pytest.mark.parametrize("seed", range(2 * SEEDS, 3 * SEEDS))
def test_an_undone_step_leaves_no_trace_and_the_next_one_does_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Cancelling(seed, monkeypatch)
    run = case.run
    case.decide(asks_to_cancel_run(case.chance.choice(STOPS)))
    for _ in range(STEPS_MAX):
        before = run_document(run, NOW)
        first = step_and_undo(run)
        assert run_document(run, NOW) == before
        if not case.step():
            break
        assert first == (cancellation_of(run), states(run))
    case.require_nothing_left()


def step_and_undo(run: TrainRun) -> tuple[object, dict[str, BookingState]]:
    """Decide a step as before a swap that is lost; return what it would have done."""
    expire_due(run, NOW)
    decide(run, CancelNextBookings(Caller(), run.run_id), NOW, {})
    done = run.cancellation, states(run)
    run.undo()
    return done


def states(run: TrainRun) -> dict[str, BookingState]:
    return {reference: booking.state for reference, booking in run.bookings.items()}
