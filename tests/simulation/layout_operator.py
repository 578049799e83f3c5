"""The operator who changes layouts of runs while they are sold.

Belongs here: random layout changes, sensible or not; plans, reservations and acting on them; and whether plan and act agree.
Does not belong here: what a change does to bookings (`layout_invariants.py`).
"""

import random
from dataclasses import dataclass, replace
from typing import Any

from app.domain.layout.commands import UpdateLayout
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.layout.plan import LayoutPlan, PlanChanged
from app.domain.money import Money
from app.domain.people import Caller, Role
from app.domain.run.train_run import TrainRun
from tests.simulation.calls import Calls, Service
from tests.simulation.invariants import Document, retired_numbers
from tests.simulation.record import Record, Violation
from tests.simulation.run_times import waitlist_closes_at

OPERATOR = Caller("desk@example.com", frozenset((Role.OPERATOR,)))
_SECTIONS = ("A", "B", "C")
_FARES_MINOR = (0, 2_000, 3_000, 5_001)
_RESERVE_SECONDS = (30, 300, 900)
_SEATS_ADDED_MAX = 2
# New plans that an operator accepts before giving up.
_PLANS_MAX = 3


@dataclass
class LayoutRequest:
    """A change that was sent, which repeats the same answer; `plan` is what it did the first time, if that was answered."""

    command: UpdateLayout
    plan: LayoutPlan | None = None


class LayoutOperator:
    """An operator."""

    def __init__(self, service: Service, rng: random.Random, calls: Calls) -> None:
        self._service, self._rng, self._calls = service, rng, calls
        self._numbers = 0
        # Who changes the run's own layout keeps the train's changes from it.
        self._changes_trains = rng.choice((0.05, 0.05, 0.9))
        self.requests: list[LayoutRequest] = []

    @property
    def _record(self) -> Record:
        return self._service.record

    async def change_layout(self) -> None:
        """Change the layout of a run: at once, or after a plan, or after a plan that reserves its seats; or repeat a change."""
        kind = self._rng.random()
        if self.requests and kind < 0.1:
            await self.send(self._rng.choice(self.requests))
            return
        if self._rng.random() < self._changes_trains:
            await self._change_train()
            return
        command = self._random_command(self._rng.choice(self._service.runs))
        if kind < 0.3:
            await self._act(command)
            return
        seconds = self._rng.choice(_RESERVE_SECONDS) if kind < 0.82 else 0
        plan = await self._plan(replace(command, validate_only=True, reserve_seconds=seconds))
        if plan is not None and self._rng.random() < (0.7 if seconds else 0.9):  # other reservations expire
            await self._act_on(command, plan, is_reserved=bool(seconds))

    async def _change_train(self) -> None:
        """Change the layout of the train, perhaps after a plan. Layout jobs bring it to the runs."""
        command = self._random_train_command(self._record.database["trains"].documents[self._service.runs[0].train_id])
        plan = await self._plan(replace(command, validate_only=True)) if self._rng.random() < 0.3 else None
        request = LayoutRequest(replace(command, plan_hash=plan.plan_hash) if plan is not None else command)
        self.requests.append(request)
        await self.send(request)

    # -- calling

    async def _plan(self, command: UpdateLayout) -> LayoutPlan | None:
        text = f"plan {_text(command)}{' and reserve' if command.reserve_seconds else ''}"
        plan: LayoutPlan | None = await self._calls.ask(
            text, lambda server: server.layouts.update(command, self._calls.deadline())
        )
        if plan is not None:
            self._service.note(f"{text}: {_summary(plan)}")
            if plan.is_applied or (plan.reserve_expire_time is not None) != bool(command.reserve_seconds):
                self._record.found.append(Violation(f"{text} was answered with {plan}"))
        return plan

    async def _act_on(self, command: UpdateLayout, plan: LayoutPlan, *, is_reserved: bool) -> None:
        """Do what was planned. Where the plan is not true any more, perhaps accept the new one."""
        planned_at = self._record.runs[command.run_id]["version"]
        for _ in range(_PLANS_MAX):
            changed = await self._act(replace(command, plan_hash=plan.plan_hash), plan)
            if changed is None:
                return
            if is_reserved:
                self._record.found += self._broken_promise(command, plan, planned_at)
            if self._rng.random() < 0.5 or not changed.plan_hash:  # operations that no longer fit have no plan to act on
                return
            plan, is_reserved = changed, False

    async def _act(self, command: UpdateLayout, planned: LayoutPlan | None = None) -> LayoutPlan | None:
        """Change the layout. Return the new plan where the plan is not true any more."""
        request = LayoutRequest(command)
        self.requests.append(request)
        self._record.layout_commands[command.request_id] = command
        return await self.send(request, planned)

    async def send(self, request: LayoutRequest, planned: LayoutPlan | None = None) -> LayoutPlan | None:
        """Send a change, perhaps again. Return the new plan where the plan is not true any more."""
        command, text = request.command, f"change {_text(request.command)}"
        changed: list[LayoutPlan] = []

        async def update(server: Any) -> LayoutPlan | None:
            try:
                plan: LayoutPlan = await server.layouts.update(command, self._calls.deadline())
            except PlanChanged as refusal:
                changed.append(refusal.plan)
                return None
            return plan

        plan: LayoutPlan | None = await self._calls.ask(text, update)
        if plan is None:
            self._service.note(f"{text}: {'the plan has changed' if changed else 'refused'}")
            return changed[-1] if changed else None
        self._service.note(f"{text}: {_summary(plan)}")
        self._record.found += self._wrong_answers(request, plan, planned)
        request.plan = request.plan or plan
        return None

    # -- what answers say

    def _wrong_answers(self, request: LayoutRequest, plan: LayoutPlan, planned: LayoutPlan | None) -> list[Violation]:
        """Compare the answer of a change with the plan that was acted on, with the first answer, and with the commit."""
        command, before = request.command, request.plan
        text = f"change {_text(command)}"
        wrong = []
        if not plan.is_applied:
            wrong.append(f"{text} was answered as a plan: {plan}")
        if not command.travel_date:
            if before is not None and before.layout_job_id != plan.layout_job_id:
                wrong.append(f"{text} made layout job {before.layout_job_id}, and now {plan.layout_job_id}")
            return [Violation(line) for line in wrong]
        if before is not None and (before.plan_hash, before.counts) != (plan.plan_hash, plan.counts):
            wrong.append(f"{text} did {before}, and now {plan}")
        is_repeated = not plan.sections
        if command.plan_hash and plan.plan_hash != command.plan_hash and not is_repeated:
            wrong.append(f"{text} acts on {command.plan_hash}, and does {plan.plan_hash}")
        if (
            planned is not None
            and planned.reserve_expire_time is None
            and not is_repeated
            and _consequences(plan) != _consequences(planned)
        ):
            wrong.append(f"{text} did {_consequences(plan)}, and planned {_consequences(planned)}")
        if not is_repeated:
            wrong += self._wrong_moves(command, plan)
        return [Violation(line) for line in wrong]

    def _wrong_moves(self, command: UpdateLayout, plan: LayoutPlan) -> list[str]:
        """Compare where the answer says that passengers are with where the commit has put them."""
        change = command.run_id, _revision_of(plan.layout_etag)
        done = self._record.layout_moves.get(change)
        if done is None:
            return [f"change {_text(command)} was answered as revision {plan.layout_etag}, which was never committed"]
        # What was due may have promoted a booking in the same commit, to a seat that the change removes.
        promoted = {promotion.reference for promotion in plan.promoted} | self._record.waitlisted_before[change]
        said = {(move.reference, move.passenger_number): move.after.label for move in plan.moves}
        for wait in plan.waitlisted:
            said |= dict.fromkeys(((wait.reference, number) for number in wait.passenger_numbers), "")
        known = {key: seat for key, seat in done.items() if key in said}
        differing = {key for key, seat in said.items() if known.get(key) != seat and key[0] not in promoted}
        if differing or {key for key, seat in done.items() if seat} - said.keys():
            return [f"change {_text(command)} was answered with {said}, and committed was {done}"]
        return []

    def _broken_promise(self, command: UpdateLayout, plan: LayoutPlan, planned_at: int) -> list[Violation]:
        """Find a reserved plan that has changed although its seats are still reserved and only new bookings were made."""
        run, run_id = self._record.runs[command.run_id], command.run_id
        reservation = run.get("layout_reservation")
        if reservation is None or reservation["plan_hash"] != plan.plan_hash:
            return []
        bookings = self._record.bookings[run_id]
        first = {
            reference: min(revision for known, revision in self._record.revisions if known == reference)
            for reference in bookings
        }
        changed = [reference for reference, booking in bookings.items() if booking["revision"] > planned_at >= first[reference]]
        # Once the waitlist is closed, those who were to wait are refunded.
        if changed or min(reservation["expire_time"], waitlist_closes_at(run)) <= self._service.now():
            return []
        return [Violation(f"plan {plan.plan_hash} of {_text(command)} has changed, and only selling went on")]

    # -- random changes

    def _random_command(self, run: TrainRun) -> UpdateLayout:
        self._numbers += 1
        document = self._record.runs[run.run_id]
        operations = tuple(self._random_operation(document) for _ in range(self._rng.choice((1, 1, 1, 2, 3))))
        return UpdateLayout(
            caller=OPERATOR,
            request_id=f"layout-{self._numbers}",
            train_id=run.train_id,
            travel_date=run.travel_date,
            operations=operations,
            allow_lower=self._rng.random() < 0.3,
            refund_displaced=self._rng.random() < 0.2,
            etag=f"layout-{document.get('layout', {}).get('revision', 0)}" if self._rng.random() < 0.2 else "",
        )

    def _random_train_command(self, train: Document) -> UpdateLayout:
        self._numbers += 1
        operations = tuple(self._random_train_operation(train) for _ in range(self._rng.choice((1, 1, 2))))
        return UpdateLayout(
            caller=OPERATOR,
            request_id=f"train-layout-{self._numbers}",
            train_id=train["_id"],
            travel_date="",
            operations=operations,
            allow_lower=self._rng.random() < 0.3,
            refund_displaced=self._rng.random() < 0.2,
            etag=str(train["version"]),
        )

    def _random_train_operation(self, train: Document) -> LayoutOperation:
        rng = self._rng
        section = rng.choice(train["sections"])["name"]
        coach = rng.choice([coach["name"] for coach in train["coaches"]])
        return rng.choice(
            (
                SetSeatCount(coach, rng.randint(1, 3)),
                RemoveCoach(coach),
                AddCoach(f"T{self._numbers}{rng.choice('XYZ')}", section, rng.randint(1, _SEATS_ADDED_MAX)),
                AddSection(rng.choice(_SECTIONS), self._random_fare()),
                SetFare(section, self._random_fare()),
            )
        )

    def _random_fare(self) -> Money:
        step = self._record.step_minor
        return Money(-(-self._rng.choice(_FARES_MINOR) // step) * step, "USD")

    def _random_operation(self, run: Document) -> LayoutOperation:
        rng = self._rng
        busy = [section for section in run["sections"] if len({*section["sold_legs"]}) > 1]
        section = rng.choice(busy if busy and rng.random() < 0.5 else run["sections"])
        live = [number for number in range(1, len(section["sold_legs"]) + 1) if number not in retired_numbers(section)]
        coaches = [coach["name"] for coach in section["coaches"]]
        coach, name = rng.choice(coaches or ["1"]), section["name"]
        fare = self._random_fare()
        added = AddCoach(f"N{self._numbers}{rng.choice('XYZ')}", name, rng.randint(1, _SEATS_ADDED_MAX))
        sold = [number for number in live if section["sold_legs"][number - 1]]
        chosen = sold if sold and rng.random() < 0.7 else live
        some = tuple(rng.sample(chosen, min(len(chosen), rng.choice((1, 1, 2, 3))))) or (1,)
        return rng.choices(
            (
                RemoveSeats(name, some),
                SetSeatCount(coach, rng.randint(1, 3)),
                RemoveCoach(coach),
                added,
                RemoveSection(name),
                AddSection(rng.choice(_SECTIONS), fare),
                SetFare(name, fare),
            ),
            weights=(5, 3, 4, 4, 1, 1, 2),
        )[0]


def _consequences(plan: LayoutPlan) -> tuple[object, ...]:
    layout = [(section.section, section.seats_after, section.fare_after) for section in plan.sections if section.fare_after]
    return layout, plan.moves, plan.waitlisted, plan.refunds, plan.promoted


def _revision_of(etag: str) -> int:
    """Return the revision in a run's layout etag."""
    return int(etag.removeprefix("layout-"))


def _text(command: UpdateLayout) -> str:
    changes = ", ".join(map(str, command.operations))
    lower, refund = " lower" if command.allow_lower else "", " refund" if command.refund_displaced else ""
    return f"{command.request_id} of {command.travel_date}: {changes}{lower}{refund}"


def _summary(plan: LayoutPlan) -> str:
    return f"{plan.plan_hash[:6]} {plan.counts} moves {[(m.reference, m.after.label) for m in plan.moves]}"
