"""An operator who changes the layout of one run again and again: plan, reserve, act on the plan.

Belongs here: random changes that a run of some size allows, and the two calls of each. Not here: buyers, and assertions about
them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count

import grpc
import pytest

from app.pb.seatline.v1 import layout_pb2
from tests.e2e.crowd import retry_until_answered
from tests.support.clients import ApiClient, Run, decoded
from tests.support.world import usd

RESERVE_SECONDS = 120
SEATS_MIN, SEATS_MAX = 60, 200
COACH_SEATS = (10, 15, 20, 30)
FARES = (15, 20, 25, 30)
Operation = layout_pb2.LayoutOperation


class LayoutOperator:
    """An operator of one run. `coaches` are its coaches, as (section, seats) by name, according to the acknowledged changes."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], run: Run, coaches: dict[str, tuple[str, int]], seed: int) -> None:
        self.coaches = coaches
        self._sections = {section for section, _ in coaches.values()}
        self._desks = [ApiClient(channel, "desk", roles="operator") for channel in channels]
        self._run = run
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._names, self._requests = count(len(coaches) + 1), count(1)

    @property
    def seat_count(self) -> int:
        """The number of seats after the acknowledged changes."""
        return sum(seats for _, seats in self.coaches.values())

    def next_change(self) -> layout_pb2.UpdateLayoutRequest:
        """Return a random change. It changes `coaches`, so make the change."""
        return layout_pb2.UpdateLayoutRequest(
            train_id=self._run.train_id,
            travel_date=self._run.travel_date,
            operations=self._next_operations(),
            allow_lower=self._chance.randrange(4) == 0,
        )

    def _next_operations(self) -> list[Operation]:
        grows, shrinks = self.seat_count < SEATS_MAX, self.seat_count > SEATS_MIN
        possible = [self._set_fare]
        possible += [self._add_coach, self._grow_coach, self._add_section] * grows
        possible += [self._remove_coach, self._shrink_coach, self._remove_section] * (2 * shrinks)
        return self._chance.choice(possible)()

    async def plan(self, change: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
        """Plan a change, and reserve the seats of the plan."""
        request = _copy(change)
        request.validate_only = True
        request.reserve.seconds = RESERVE_SECONDS
        return await self._send(request)

    async def make(self, change: layout_pb2.UpdateLayoutRequest, plan_hash: str) -> layout_pb2.LayoutPlan:
        """Make exactly the planned change. Fail if the plan has changed."""
        request = _copy(change)
        request.request_id, request.plan_hash = f"change-{next(self._requests)}", plan_hash
        return await self._send(request)

    async def _send(self, request: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
        async def answer() -> layout_pb2.LayoutPlan:
            try:
                return await self._chance.choice(self._desks).update_layout(request)
            except grpc.aio.AioRpcError as error:
                # It has the status ABORTED, which otherwise asks for a retry.
                if decoded(error).reason == "PLAN_CHANGED":
                    pytest.fail(f"the plan of {request} has changed: {decoded(error)}")
                raise

        return await retry_until_answered(answer)

    # -- the kinds of changes

    def _set_fare(self) -> list[Operation]:
        section = self._chance.choice(sorted(self._sections))
        fare = usd(self._chance.choice(FARES))
        return [Operation(set_fare=layout_pb2.SetFare(section=section, fare=fare))]

    def _add_coach(self, section: str = "") -> list[Operation]:
        section = section or self._chance.choice(sorted(self._sections))
        name, seats = str(next(self._names)), self._chance.choice(COACH_SEATS)
        self.coaches[name] = (section, seats)
        return [Operation(add_coach=layout_pb2.AddCoach(name=name, section=section, seat_count=seats))]

    def _add_section(self) -> list[Operation]:
        names = sorted({"A", "B", "C", "D"} - self._sections)
        if not names:
            return self._add_coach()
        self._sections.add(names[0])
        fare = usd(self._chance.choice(FARES))
        added = Operation(add_section=layout_pb2.AddSection(name=names[0], fare=fare))
        return [added, *self._add_coach(names[0])]

    def _remove_coach(self) -> list[Operation]:
        return [self._remove(self._chance.choice([*self.coaches]))]

    def _remove(self, name: str) -> Operation:
        del self.coaches[name]
        return Operation(remove_coach=layout_pb2.RemoveCoach(name=name))

    def _remove_section(self) -> list[Operation]:
        """Remove the section with the fewest seats, unless it is the last one."""
        sizes = dict.fromkeys(sorted(self._sections), 0)
        for section, seats in self.coaches.values():
            sizes[section] += seats
        smallest = min(sizes, key=lambda section: sizes[section])
        if len(sizes) == 1:
            return self._remove_coach()
        self._sections.remove(smallest)
        self.coaches = {name: coach for name, coach in self.coaches.items() if coach[0] != smallest}
        return [Operation(remove_section=layout_pb2.RemoveSection(name=smallest))]

    def _grow_coach(self) -> list[Operation]:
        return self._resize(self._chance.choice([*self.coaches]), self._chance.randint(1, 10))

    def _shrink_coach(self) -> list[Operation]:
        name = max(self.coaches, key=lambda name: self.coaches[name][1])
        return self._resize(name, -self._chance.randint(1, self.coaches[name][1] - 1))

    def _resize(self, name: str, more: int) -> list[Operation]:
        section, seats = self.coaches[name]
        self.coaches[name] = (section, seats + more)
        return [Operation(set_seat_count=layout_pb2.SetSeatCount(coach=name, seat_count=seats + more))]


def _copy(change: layout_pb2.UpdateLayoutRequest) -> layout_pb2.UpdateLayoutRequest:
    request = layout_pb2.UpdateLayoutRequest()
    request.CopyFrom(change)
    return request
