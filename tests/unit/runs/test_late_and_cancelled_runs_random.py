"""Random histories of runs that are late, shortened and cancelled while they are sold and rebuilt: the audit finds nothing.

The simulation does the same with servers and a database that fail. Here, only the rules are tried, some hundred times faster.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

from app.domain.audit import bookings, run_cancellations, runs
from app.domain.audit.check import run_rules
from app.domain.audit.rules import RUN_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.commands import CancelUnpaid, Command
from app.domain.disruption import DisruptionReason
from app.domain.events import Event, commit_id
from app.domain.layout.operations import AddCoach, LayoutOperation, SetSeatCount
from app.domain.people import Caller
from app.domain.refusals import Refusal
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.run_commands import CancelNextBookings, CancelTrainRun, RecordArrival, SetDelay
from app.domain.terms import SalesTerms
from tests.support.builders import DEPARTS_LONDON, a_run, asks_to_promote, seeded_random
from tests.support.cancellations import asks_to_cancel_run
from tests.support.delay_reports import asks_to_delay, asks_to_record_arrival
from tests.support.layout_changes import asks_for_layout
from tests.support.long_mode import full
from tests.support.random_commands import random_commands

HISTORIES = full(1_000, short=60)
STEPS = 100  # of a history: some hours before and after the departure
LOOKS = 10  # steps from one audit to the next
# These compare a run with its train, its payments and its worker, which it does not have here.
NOT_HERE = {runs.differs_from_train, bookings.wrong_charges, run_cancellations.open_cancellation}
RULES = [rule for rule in RUN_RULES if rule.find_problems not in NOT_HERE]
MILLISECOND = timedelta(milliseconds=1)


class History:
    """A run with everything that was committed on it, and its clock."""

    def __init__(self, seed: int) -> None:
        self.chance = seeded_random(seed)
        terms = SalesTerms(waitlist_closes_minutes_before=self.chance.choice((0, 30, 240)), passengers_per_booker_max=5_000)
        self.run = a_run(self.chance.choice(("A4 B4", "A2 B3", "A6")), fares={"A": 2_000, "B": 1_500}, terms=terms)
        self.sales = random_commands(self.run, self.chance)
        self.now = DEPARTS_LONDON - timedelta(hours=self.chance.choice((1, 5, 30)))
        self.commits: dict[str, list[Event]] = {}
        self.taken: Counter[type[Command[Any]]] = Counter()

    def step(self) -> None:
        """Let some time pass, and decide a batch as a lane does: a command that is alone in a commit of its own."""
        self.pass_time(timedelta(minutes=self.chance.choice((0, 0, 0, 1, 5, 20))))
        for _ in range(self.chance.choice((1, 1, 2, 4))):
            command = an_operation(self) or next(self.sales)
            if command.is_alone:
                self.pass_time()
            try:
                decide(self.run, command, self.now, {})
                self.taken[type(command)] += 1
            except Refusal:
                continue
            if command.is_alone:
                self.pass_time()
        self.commit()

    def pass_time(self, by: timedelta = timedelta()) -> None:
        """Commit, and expire what is due a moment later."""
        self.commit()
        self.now += by + MILLISECOND
        expire_due(self.run, self.now)

    def commit(self) -> None:
        """Commit what has changed."""
        if not self.run.change_set:
            return
        events = list(self.run.change_set.events)
        self.run.committed()
        if events:
            self.commits[commit_id(self.run.run_id, self.run.version)] = events

    def findings(self) -> list[str]:
        """What the audit finds once all is done that is due, with no tolerance."""
        self.pass_time()
        self.commit()
        own = tuple(event for events in self.commits.values() for event in events if event.event_type.group == "run")
        record = AuditedRun(self.run, dict(self.run.bookings), self.now, timedelta(), commits=self.commits, run_events=own)
        return [f"{finding.check}: {finding.text}" for finding in run_rules(RULES, self.run.run_id, record)]


def an_operation(history: History) -> Command[Any] | None:
    """Return what happens to the train, or to its bookings without their callers; None for a command of a buyer."""
    run, chance = history.run, history.chance
    kinds = ("sale", "report", "cancel", "cancel next", "unpaid", "promote", "layout")
    kind = chance.choices(kinds, (60, 20, 0.5, 8, 2, 2, 3))[0]
    if kind == "report":
        return a_report(history)
    if kind == "cancel":
        return asks_to_cancel_run(chance.choice(["", *(stop.name for stop in run.stops)]))
    if kind == "cancel next" and run.cancellation is not None and run.cancellation.complete_time is None:
        return CancelNextBookings(Caller(), run.run_id)
    if kind == "unpaid" and run.bookings:
        return CancelUnpaid(Caller(), chance.choice(list(run.bookings)), run.run_id)
    if kind == "layout":
        lower, refunded = chance.random() < 0.5, chance.random() < 0.5
        return asks_for_layout(*a_rebuilding(history), allow_lower=lower, refund_displaced=refunded)
    return asks_to_promote() if kind == "promote" else None


def a_report(history: History) -> Command[Any]:
    """Report a delay or an arrival; the message may be late, and what it says may be impossible."""
    chance, now = history.chance, history.now
    stop = chance.choice(history.run.stops).name
    if chance.random() < 0.4:
        arrived = now - timedelta(minutes=chance.choice((0, 1, 30, 60)))
        return asks_to_record_arrival(stop, arrived, reported=chance.choice((None, now)))
    reason = chance.choice((DisruptionReason.STAFF, DisruptionReason.STAFF, None))
    minutes, reported = chance.choice((0, 5, 20, 40, 60, 130, 400, 1_440)), chance.choice((None, now - timedelta(minutes=30)))
    return asks_to_delay(minutes, chance.choice(("", stop)), reason=reason, reported=reported)


def a_rebuilding(history: History) -> list[LayoutOperation]:
    """Give a coach another number of seats, or add one."""
    chance = history.chance
    section = chance.choice(history.run.sections)
    if chance.random() < 0.3:
        return [AddCoach(str(chance.randint(10, 99)), section.name, chance.randint(1, 2))]
    return [SetSeatCount(chance.choice(section.coaches).name, chance.randint(1, 4))]


def test_the_audit_finds_nothing_on_runs_that_are_late_shortened_and_cancelled() -> None:
    taken: Counter[type[Command[Any]]] = Counter()
    for seed in range(HISTORIES):
        history = History(seed)
        for step in range(STEPS):
            history.step()
            if step % LOOKS == LOOKS - 1:
                assert history.findings() == [], (seed, step)
        for booking in history.run.bookings.values():
            assert sum(refund.minor for refund in booking.refunds) <= booking.charged_minor, seed
            assert all(refund.reason is not None for refund in booking.refunds), seed
        taken += history.taken
    for command in (SetDelay, RecordArrival, CancelTrainRun, CancelNextBookings, CancelUnpaid):
        assert taken[command] > HISTORIES // 10, command
