"""The dispatcher: delays, arrivals and cancellations of runs, and sales windows, while the runs are sold.

Belongs here: random reports and cancellations, sensible or not, late messages among them, and whether the answers say what was
committed. Does not belong here: what a report does to bookings (`disruption_invariants.py`).
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

from app.domain.disruption import DisruptionReason
from app.domain.refusals import Reason, Refusal
from app.domain.run_commands import CancelTrainRun, RecordArrival, SetDelay, SetSalesWindow
from app.domain.sales_window import SalesWindow
from tests.simulation.calls import Calls, Service
from tests.simulation.invariants import is_live
from tests.simulation.layout_operator import OPERATOR
from tests.simulation.record import Record, Violation
from tests.simulation.run_times import Document, delay_of, departs_at, expected_times

_REASONS = (DisruptionReason.STAFF, DisruptionReason.CONGESTION, DisruptionReason.EXTREME_WEATHER)
_MINUTES = (0, 0, 5, 40, 59, 60, 70, 130, 1_440)
# How old a message is when it comes.
_MESSAGE_AGES_SECONDS = (0, 0, 1, 30, 600)
_SECTIONS = ("A", "B", "")
# A run is mostly cancelled once it has so many bookings.
_BOOKINGS_CANCELLED_MIN = 3


class Dispatcher:
    """An operator who runs the trains. `cancels_runs` says how often, where delays have 6."""

    def __init__(self, service: Service, rng: random.Random, calls: Calls, *, cancels_runs: int) -> None:
        self._service, self._rng, self._calls = service, rng, calls
        self._cancels_runs = cancels_runs

    @property
    def _record(self) -> Record:
        return self._service.record

    async def act(self) -> None:
        """Report a delay or an arrival, cancel a run, or set a sales window.

        Mostly when that makes a difference: trains arrive after they have left, and runs are cancelled that have bookings.
        """
        run = self._random_run()
        is_sold = sum(map(is_live, self._record.bookings[run["_id"]].values())) >= _BOOKINGS_CANCELLED_MIN
        is_sold = is_sold or run.get("cancellation") is not None  # the rest may follow
        has_left = departs_at(run) <= self._service.now()
        kinds: list[tuple[Callable[[Document], Coroutine[Any, Any, None]], int]] = [
            (self._set_delay, 6),
            (self._record_arrival, 9 if has_left else 1),
            (self._cancel, self._cancels_runs * (4 if is_sold else 1)),
            (self._set_sales_window, 3),
        ]
        kind = self._rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        await kind(run)

    # -- delays and arrivals

    async def _set_delay(self, run: Document) -> None:
        minutes = self._rng.choice(_MINUTES)
        reason = self._rng.choice(_REASONS)
        stop = self._rng.randrange(len(run["stops"])) if self._rng.random() < 0.5 else None
        command = SetDelay(
            OPERATOR,
            *_key(run),
            minutes,
            "" if stop is None else run["stops"][stop]["name"],
            None if not minutes and self._rng.random() < 0.5 else reason,
            "the weather service says so" if reason is DisruptionReason.EXTREME_WEATHER else "",
            self._report_time(),
        )
        if command.reason is None:
            command = replace(command, evidence="")
        text = f"delay {run['_id']} by {minutes} from {command.from_stop or 'the train'} as of {command.report_time}"
        before = delay_of(self._record.runs[run["_id"]])
        if await self._send(text, command, lambda server, deadline: server.train_runs.change(command, deadline)):
            self._record.found += self._wrong_delay(text, command, before, stop)

    def _wrong_delay(self, text: str, command: SetDelay, before: Document, stop: int | None) -> list[Violation]:
        """Find an answered delay that no commit has, from its stop on."""
        delays = [before, *self._record.delays[command.run_id]]
        for delay in delays:
            late = delay["minutes"][stop or 0 :] if stop is not None else delay["minutes"][-1:]
            is_of_report = command.report_time is None or delay["report_time"] == command.report_time
            if late and set(late) == {command.minutes} and is_of_report:
                return []
        # A later report of the same commit may have replaced it.
        said = [event["data"] for event in self._events(command.run_id, "run.delayed")]
        reported = command.report_time and command.report_time.isoformat()
        if any(data["minutes"] == command.minutes and reported in (None, data["report_time"]) for data in said):
            return []
        return [Violation(f"{text} was answered, and the run had the delays {delays}")]

    async def _record_arrival(self, run: Document) -> None:
        stop = self._rng.randrange(1, len(run["stops"]))
        now = self._service.now()
        expected = expected_times(run)[stop][0] or now
        moments = [now, now - timedelta(minutes=self._rng.randint(1, 90)), min(now, expected), expected]
        command = RecordArrival(
            OPERATOR, *_key(run), run["stops"][stop]["name"], _whole(self._rng.choice(moments)), self._report_time()
        )
        text = f"arrival of {run['_id']} at {command.stop} at {command.time}"
        if await self._send(text, command, lambda server, deadline: server.train_runs.change(command, deadline)):
            said = [event["data"] for event in self._events(command.run_id, "run.arrived")]
            if not any((data["stop"], data["arrive_time"]) == (command.stop, command.time.isoformat()) for data in said):
                self._record.found.append(Violation(f"{text} was answered, and no commit has it: {said}"))

    def _events(self, run_id: str, kind: str) -> list[Document]:
        events = self._record.events.values()
        return [event for event in events if event["type"] == kind and event["run_id"] == run_id]

    def _report_time(self) -> datetime | None:
        """Return when a message was written: now, where it does not say, or some time ago."""
        if self._rng.random() < 0.3:
            return None
        return _whole(self._service.now() - timedelta(seconds=self._rng.choice(_MESSAGE_AGES_SECONDS)))

    # -- cancellations

    async def _cancel(self, run: Document) -> None:
        """Cancel a run, or its last legs; where these are cancelled already, perhaps more of them."""
        cancelled = (run.get("cancellation") or {}).get("from_stop", 0)
        stops = range(cancelled) if cancelled and self._rng.random() < 0.7 else (0, *range(1, len(run["stops"]) - 1))
        stop = self._rng.choice(list(stops))
        command = CancelTrainRun(
            OPERATOR,
            *_key(run),
            self._rng.choice(_REASONS[:2]),
            from_stop=run["stops"][stop]["name"] if stop else "",
            validate_only=self._rng.random() < 0.15,
        )
        text = f"cancel {run['_id']} from {command.from_stop or 'the first stop'}{' (plan)' * command.validate_only}"
        if await self._send(text, command, lambda server, deadline: server.train_runs.cancel(command, deadline)):
            cancellation = self._record.runs[command.run_id].get("cancellation")
            is_done = cancellation is not None and cancellation["from_stop"] <= stop
            if not command.validate_only and not is_done:
                self._record.found.append(Violation(f"{text} was answered, and the run has {cancellation}"))

    # -- sales windows

    async def _set_sales_window(self, run: Document) -> None:
        now = self._service.now()
        opening = self._rng.choice((timedelta(seconds=-30), timedelta(seconds=5), timedelta(seconds=40), timedelta(hours=2)))
        days = self._rng.choice((1, 2, 3))
        window = self._rng.choice(
            (
                None,
                SalesWindow(closes_minutes_before=self._rng.choice((0, 30, 600))),
                SalesWindow(open_time=_whole(now + opening), closes_minutes_before=self._rng.choice((0, 30))),
                SalesWindow(open_days_before=days, open_at=time(self._rng.choice((6, 13)))),
            )
        )
        command = SetSalesWindow(OPERATOR, *_key(run), self._rng.choice(_SECTIONS), window)
        text = f"sell {command.section or 'all'} of {run['_id']} by {window}"
        await self._send(text, command, lambda server, deadline: server.train_runs.change(command, deadline))

    # -- sending

    async def _send(self, text: str, command: Any, call: Callable[[Any, float], Coroutine[Any, Any, Any]]) -> bool:
        """Send a command, perhaps twice. Return whether it was answered."""
        run_id, stale = command.run_id, []

        async def send(server: Any) -> bool:
            try:
                await call(server, self._calls.deadline())
            except Refusal as refusal:
                stale.append(refusal.reason is Reason.REPORT_STALE)
                raise
            return True

        answered = await self._calls.ask(text, send)
        if answered:
            self._service.note(f"{text}: done")
        elif stale and stale[-1] and isinstance(command, SetDelay):
            newest = delay_of(self._record.runs[run_id])["report_time"]
            # A message without a time has the moment of its decision, which may be that of a report from a clock that is ahead.
            if command.report_time is not None and (newest is None or newest <= command.report_time):
                self._record.found.append(Violation(f"{text} was refused as stale, and the newest report is of {newest}"))
        return bool(answered)

    def _random_run(self) -> Document:
        return self._record.runs[self._rng.choice(self._service.runs).run_id]


def _key(run: Document) -> tuple[str, str]:
    train_id, _, travel_date = run["_id"].rpartition(":")
    return train_id, travel_date


def _whole(moment: datetime) -> datetime:
    """Return a moment in whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
