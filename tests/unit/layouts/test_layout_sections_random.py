"""Layout operations against a plain model of the same rules, over random layouts, sales and changes."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

import pytest

from app.domain import limits
from app.domain.layout.operations import LayoutOperation
from app.domain.refusals import Refusal
from app.domain.rules.layout_sections import SectionsChange, change_sections, removing_seats
from app.domain.run.layout_record import LayoutRecord
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from tests.support.builders import a_run, an_operator, cancel, release, seeded_random
from tests.support.layout_model import ModelLayout, SeatKey, WrongOperationError, held_seats, passenger_counts
from tests.support.long_mode import full
from tests.support.random_commands import decide_some
from tests.support.random_operations import random_operations
from tests.support.run_snapshots import snapshot

HISTORIES = full(5_000, short=200)
CHANGES = 25
LAYOUTS = ("A1", "A2 B2", "A4 A4", "B3 A2 B3", "A6 B1 C2", "A2 A2 A2 A2")


@pytest.fixture(autouse=True)
def _low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that random layouts reach."""
    for name, most in {
        "SECTIONS_PER_TRAIN_MAX": 3,
        "COACHES_PER_TRAIN_MAX": 6,
        "SEATS_PER_TRAIN_MAX": 20,
        "SEAT_NUMBERS_PER_RUN_MAX": 40,
        "FARES_PER_RUN_MAX": 7,
    }.items():
        monkeypatch.setattr(limits, name, most)


@dataclass
class History:
    """A run and its model, changed together. `gone_seats` and `gone_coaches` were there once.

    `known` are the sections that were there after some change.
    """

    chance: Random
    run: TrainRun = field(init=False)
    model: ModelLayout = field(init=False)
    gone_seats: set[SeatKey] = field(default_factory=set)
    gone_coaches: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    made: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        self.run = a_run(self.chance.choice(LAYOUTS))
        self.model = ModelLayout.of(self.run)

    def step(self) -> None:
        """Sell and give back, then try a layout change."""
        decide_some(self.run, self.chance, self.chance.randint(0, 12))
        self.run.committed()
        operations = random_operations(self.run, self.chance)
        before, model = snapshot(self.run), deepcopy(self.model)
        change = self.compare(operations, model)
        assert snapshot(self.run) == before
        if change is None:
            self.refused += 1
            return
        self.made += 1
        assert change.removed <= removing_seats(self.run, operations)
        vacate(self.run, change.removed)
        again = change_sections(self.run, operations, passenger_counts(self.run), withdrawn=change.removed)
        assert again.removed == change.removed
        assert again.changes == change.changes
        crowds = {key: self.chance.randint(0, 3) for key in seats_of(self.run.sections)}
        assert change_sections(self.run, operations, crowds, withdrawn=change.removed).removed == change.removed
        others = {key: seat for key, seat in seats_of(self.run.sections).items() if key not in change.removed}
        self.make(again)
        assert others.items() <= seats_of(self.run.sections).items()
        self.model = model
        self.check()

    def compare(self, operations: list[LayoutOperation], model: ModelLayout) -> SectionsChange | None:
        """Make the operations on the model, and plan them for the run: both refuse them, or both remove the same seats."""
        counts = passenger_counts(self.run)
        try:
            removed = model.change(operations, counts, held_seats(self.run))
        except WrongOperationError:
            with pytest.raises(Refusal, match=r"operations\[\d\]"):
                change_sections(self.run, operations, counts)
            return None
        change = change_sections(self.run, operations, counts)
        assert change.removed == removed
        return change

    def make(self, change: SectionsChange) -> None:
        """Make the change, and commit it."""
        self.known |= {section.name for section in self.run.sections}
        self.run.set_sections(change.sections)
        self.run.set_retired_sections(change.retired_sections)
        self.run.set_layout(LayoutRecord(earlier_fares=change.earlier_fares))
        self.run.committed()

    def check(self) -> None:
        """Check the run against the model, and against all that was there before."""
        live = {(seat.section, seat.number): seat.coach for seat in self.model.live()}
        assert {key: seat[0] for key, seat in seats_of(self.run.sections).items()} == live
        assert {section.name: section.fare for section in self.run.sections} == self.model.fares
        assert [section.name for section in self.run.sections] == list(self.model.fares)
        self.known |= {section.name for section in (*self.run.sections, *self.run.retired_sections)}
        self.model.sold_at = {fare for fare in self.model.sold_at if fare[0] in self.known}  # without what nobody ever saw
        assert set(self.run.layout.earlier_fares) == self.model.sold_at
        assert len(self.run.layout.earlier_fares) == len(self.model.sold_at) <= limits.FARES_PER_RUN_MAX
        assert not self.gone_seats & live.keys()
        assert not self.gone_coaches & set(live.values())
        self.gone_seats |= {(seat.section, seat.number) for seat in self.model.seats if not seat.is_live}
        self.gone_coaches |= {seat.coach for seat in self.model.seats} - set(live.values())
        for section in self.run.sections + self.run.retired_sections:
            check_section(section)
        assert not any(section.seat_count for section in self.run.retired_sections)


def vacate(run: TrainRun, removed: Iterable[SeatKey]) -> None:
    """Cancel whoever sits on these seats, also who is promoted to them meanwhile, and end the holds on them."""
    gone = set(removed)
    while gone & (passenger_counts(run).keys() | held_seats(run)):
        for hold in list(run.holds.values()):
            if any((seat.section, seat.number) in gone for seat in hold.seats):
                release(run, hold)
        for booking in list(run.bookings.values()):
            seats = {(seat.section, seat.number) for passenger in booking.passengers if (seat := passenger.seat) is not None}
            if booking.is_live and gone & seats:
                cancel(run, booking, by=an_operator())
        run.committed()


def seats_of(sections: Iterable[SectionSeats]) -> dict[SeatKey, tuple[str, int, object]]:
    """Return the coach, the sold legs and the freed entries of each seat that is not retired."""
    return {
        (section.name, number): (section.coach_of(number), section.sold_legs[number - 1], section.freed.get(number))
        for section in sections
        for number in range(1, section.size + 1)
        if not section.is_retired(number)
    }


def check_section(section: SectionSeats) -> None:
    """Check the ranges of coaches, the retired seats, the counter and the freed seats of a section."""
    covered = [number for coach in section.coaches for number in range(coach.first, coach.last + 1)]
    assert covered == list(range(1, section.size + 1))
    assert section.retired <= set(covered)
    assert section.seat_count == section.size - len(section.retired)
    assert 1 <= section.next_number <= section.size + 1
    for number in covered:
        unsold = section.all_legs & ~section.sold_legs[number - 1]
        entries = section.freed.get(number, ())
        assert not (section.is_retired(number) and unsold)
        assert sum(legs for _, legs in entries) == (unsold if number < section.next_number else 0)


@pytest.mark.parametrize("block", range(10))
def test_random_layout_changes_follow_the_model(block: int) -> None:
    made = refused = 0
    for seed in range(block * HISTORIES // 10, (block + 1) * HISTORIES // 10):
        history = History(seeded_random(seed))
        for _ in range(CHANGES):
            history.step()
        made, refused = made + history.made, refused + history.refused
    assert made > HISTORIES // 10
    assert refused > HISTORIES // 10
