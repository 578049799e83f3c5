"""Sales windows against a plain model, over thousands of random decisions: who is refused and why, who gets seats of which
section, and whom the waitlist promotes.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from app.domain.booking import Booking, BookingState
from app.domain.commands import BookingResult, Command, IfFull
from app.domain.disruption import DisruptionReason
from app.domain.events import EventType
from app.domain.refusals import Reason, Refusal
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.sales_windows import is_on_sale, sections_on_sale
from app.domain.run.hold import Hold
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import SetDelay, SetSalesWindow
from app.domain.sales_window import SalesWindow
from app.domain.terms import SalesTerms
from tests.support.builders import (
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    TRAIN_ID,
    TRAVEL_DATE,
    a_run,
    an_operator,
    asks_for_another_seat,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    name_of,
    seeded_random,
)

SECTIONS = ("A", "B", "C")
ORIGINS = {LONDON: DEPARTS_LONDON, LILLE: DEPARTS_LILLE}
SUMMER_TIME = timedelta(hours=1)  # in London on all dates of this test
HISTORIES, STEPS = 150, 60
SALES_REASONS = {Reason.SALES_NOT_OPEN, Reason.SALES_CLOSED}
MINUTE = timedelta(minutes=1)


@dataclass
class Model:
    """What a reader of the contract would say of a run: its windows by (level, section), and its delay."""

    windows: dict[tuple[str, str], SalesWindow]
    late: timedelta = timedelta(0)

    def window(self, section: str) -> SalesWindow:
        for key in (("run", section), ("run", ""), ("train", section), ("train", "")):
            if key in self.windows:
                return self.windows[key]
        return SalesWindow()

    def opening(self, section: str) -> datetime:
        window = self.window(section)
        if window.open_time is not None:
            return window.open_time
        if window.open_days_before is None:
            return datetime.min.replace(tzinfo=UTC)
        day = TRAVEL_DATE - timedelta(days=window.open_days_before)
        return datetime.combine(day, window.open_at, UTC) - SUMMER_TIME

    def closing(self, section: str, origin: str) -> datetime:
        return ORIGINS[origin] + self.late - timedelta(minutes=self.window(section).closes_minutes_before)

    def on_sale(self, origin: str, now: datetime) -> list[str]:
        return [name for name in SECTIONS if self.opening(name) <= now < self.closing(name, origin)]

    def refusal(self, section: str, origin: str, now: datetime) -> Reason | None:
        """The refusal of a request for this section, or for any where it is empty; None where it is on sale."""
        if now >= ORIGINS[origin] + self.late:
            return Reason.RUN_DEPARTED
        asked = [section] if section else list(SECTIONS)
        if set(asked) & set(self.on_sale(origin, now)):
            return None
        if section:
            return Reason.SALES_NOT_OPEN if now < self.opening(section) else Reason.SALES_CLOSED
        will_open = any(now < self.opening(name) < self.closing(name, origin) for name in asked)
        return Reason.SALES_NOT_OPEN if will_open else Reason.SALES_CLOSED

    def earliest_opening(self, section: str, origin: str, now: datetime) -> datetime:
        if section:
            return self.opening(section)
        return min(self.opening(name) for name in SECTIONS if now < self.opening(name) < self.closing(name, origin))


def a_window(pick: random.Random) -> SalesWindow:
    """A window that opens and closes within the hours of this test, or is open from the beginning."""
    closes = pick.choice([0, 0, 30, 90, 240])
    kind = pick.randrange(3)
    if kind == 0:
        return SalesWindow(closes_minutes_before=closes)
    if kind == 1:
        return SalesWindow(
            open_days_before=pick.randrange(2), open_at=time(pick.randrange(6), 30), closes_minutes_before=closes
        )
    opening = DEPARTS_LONDON - timedelta(minutes=pick.randrange(300, 1_800))
    return SalesWindow(open_time=opening, closes_minutes_before=closes)


@dataclass
class History:
    """One run, its model, and what was bought on it."""

    pick: random.Random
    model: Model
    run: TrainRun
    now: datetime
    bookings: list[Booking] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    refused: dict[Reason, int] = field(default_factory=dict)
    promoted: int = 0

    def decide(self, command: Command[Any], before: dict[tuple[str, str], SalesWindow] | None = None) -> object | Refusal:
        """Decide as a lane does; check whom it promotes, and commit. `before` are the model's windows after a refusal."""
        result: object | Refusal
        expire_due(self.run, self.now)
        try:
            result = decide(self.run, command, self.now, {})
        except Refusal as refusal:
            result = refusal
            self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + 1
            self.model.windows = self.model.windows if before is None else before
        for event in self.run.change_set.events:
            if event.event_type is EventType.BOOKING_PROMOTED:
                self.promoted += 1
                for passenger in self.run.bookings[event.subject].passengers:
                    assert self.model.opening(passenger.assigned_seat.section) <= self.now, "promoted before the opening"
        self.run.committed()
        self.require_sound()
        return result

    def require_sound(self) -> None:
        """Answers say what the model says; and nobody waits while a seat of an opened section fits."""
        for origin in ORIGINS:
            journey = self.run.journey(origin, "")
            expected = self.model.on_sale(origin, self.now)
            assert [SECTIONS[index] for index in sections_on_sale(self.run, journey, self.now)] == expected
            assert [name for index, name in enumerate(SECTIONS) if is_on_sale(self.run, index, journey, self.now)] == expected
        for entry in self.run.waitlist.values():
            for section in self.run.sections:
                if entry.section in ("", section.name) and self.model.opening(section.name) <= self.now:
                    assert section.free_count(entry.legs) < entry.count, "a waitlisted booking fits"

    def buy(self) -> None:
        origin, section = self.pick.choice(list(ORIGINS)), self.pick.choice(["", *SECTIONS])
        name = f"p{self.pick.randrange(10**9)}"
        if_full = self.pick.choice([IfFull.REJECT, IfFull.WAITLIST])
        if self.pick.random() < 0.3:
            result = self.decide(asks_to_hold(name, section=section, origin=origin))
        else:
            result = self.decide(asks_for_seats(name, section=section, origin=origin, if_full=if_full))
        self.compare(result, section, origin)
        if isinstance(result, Hold):
            self.holds.append(result)
        elif isinstance(result, BookingResult):
            self.bookings.append(result.booking)

    def compare(self, result: object | Refusal, section: str, origin: str) -> None:
        """Compare the result of a sale or hold with the model."""
        expected = self.model.refusal(section, origin, self.now)
        if isinstance(result, Refusal):
            if expected is None:
                assert result.reason not in {*SALES_REASONS, Reason.RUN_DEPARTED}, result.message
                return
            assert result.reason is expected, result.message
            if expected is Reason.SALES_NOT_OPEN:
                named = datetime.fromisoformat(result.details["sales_open_time"])
                assert named == self.model.earliest_opening(section, origin, self.now)
            return
        assert expected is None, f"sold where {expected} was due"
        assert isinstance(result, Hold | BookingResult)
        seats = result.seats if isinstance(result, Hold) else [person.seat for person in result.booking.passengers]
        assert {seat.section for seat in seats if seat} <= set(self.model.on_sale(origin, self.now))

    def use_a_hold(self) -> None:
        held = self.holds.pop(self.pick.randrange(len(self.holds)))
        origin = LONDON if held.legs & 1 else LILLE
        who = held.owner_key.partition("@")[0]
        result = self.decide(asks_for_seats(who, origin=origin, hold_id=name_of(self.run, held)))
        if isinstance(result, Refusal):
            assert result.reason not in SALES_REASONS
            assert self.now >= min(held.expire_time, ORIGINS[origin] + self.model.late)

    def move(self) -> None:
        booking = self.run.bookings[self.pick.choice(self.bookings).reference]
        section = self.pick.choice(SECTIONS)
        seat = booking.passengers[0].seat
        result = self.decide(asks_for_another_seat(booking, section=section))
        is_open = self.model.opening(section) <= self.now
        if isinstance(result, Refusal) and result.reason in SALES_REASONS:
            assert result.reason is Reason.SALES_NOT_OPEN
            assert not is_open
        elif not isinstance(result, Refusal):
            assert is_open or (seat is not None and seat.section == section)

    def cancel(self) -> None:
        self.decide(asks_to_cancel(self.run.bookings[self.pick.choice(self.bookings).reference]))

    def set_window(self) -> None:
        section = self.pick.choice(["", *SECTIONS])
        window = None if self.pick.random() < 0.4 else a_window(self.pick)
        before = dict(self.model.windows)
        self.model.windows.pop(("run", section), None)
        if window is not None:
            self.model.windows["run", section] = window
        result = self.decide(SetSalesWindow(an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), section, window), before)
        if isinstance(result, Refusal):
            assert result.reason in {Reason.INVALID_FIELD, Reason.RUN_DEPARTED}

    def delay(self) -> None:
        minutes = self.pick.choice([0, 20, 45, 120])
        before, self.model.late = self.model.late, timedelta(minutes=minutes)
        reason = DisruptionReason.STAFF if minutes else None
        result = self.decide(SetDelay(an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), minutes, LONDON, reason, "", self.now))
        if isinstance(result, Refusal):
            self.model.late = before

    def step(self) -> None:
        self.now += MINUTE * self.pick.choice([0, 1, 5, 10, 30, 60])
        steps = [self.buy, self.buy, self.buy, self.buy, self.set_window, self.delay]
        if self.holds:
            steps += [self.use_a_hold] * 2
        if self.bookings:
            steps += [self.move, self.cancel, self.cancel]
        self.pick.choice(steps)()


def begin(seed: int) -> History:
    """Begin a history on a train with a few windows."""
    pick = seeded_random(seed)
    windows = {("train", name): a_window(pick) for name in ("", *SECTIONS) if pick.random() < 0.5}
    of_sections = tuple((name, windows["train", name]) for name in SECTIONS if ("train", name) in windows)
    terms = SalesTerms(
        waitlist_closes_minutes_before=pick.choice([0, 60]),
        hold_percent_max=100,
        sales_window=windows.get(("train", ""), SalesWindow()),
        section_windows=of_sections,
    )
    run = a_run("A2 B2 C1", fares={"B": 1_500, "C": 3_000}, terms=terms)
    return History(pick, Model(windows), run, DEPARTS_LONDON - timedelta(hours=pick.randrange(6, 34)))


@pytest.mark.parametrize("first", range(0, HISTORIES, 50))
def test_windows_are_those_of_a_plain_model(first: int) -> None:
    refused: dict[Reason, int] = {}
    waited = promoted = 0
    for seed in range(first, first + 50):
        history = begin(seed)
        for _ in range(STEPS):
            history.step()
        for reason, number in history.refused.items():
            refused[reason] = refused.get(reason, 0) + number
        waited += sum(booking.state is BookingState.WAITLISTED for booking in history.bookings)
        promoted += history.promoted
    # The histories come by everything that they are about.
    assert min(refused.get(reason, 0) for reason in (*SALES_REASONS, Reason.SECTION_FULL, Reason.RUN_DEPARTED)) > 10
    assert min(waited, promoted) > 10
