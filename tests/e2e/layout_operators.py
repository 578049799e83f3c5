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
from tests.support.clients import Run, decoded
from tests.support.layout_client import (
    LayoutClient,
    Operation,
    add_coach,
    add_section,
    layout_request,
    remove_coach,
    remove_section,
    set_fare,
    set_seat_count,
)

RESERVE_SECONDS = 120
SEATS_MIN, SEATS_MAX = 60, 200
COACH_SEATS = (10, 15, 20, 30)
FARES = (15, 20, 25, 30)


class LayoutOperator:
    """An operator of one run. `coaches` are its coaches, as (section, seats) by name, according to the acknowledged changes."""

    def __init__(self, channels: Sequence[grpc.aio.Channel], run: Run, coaches: dict[str, tuple[str, int]], seed: int) -> None:
        self.coaches = coaches
        self._sections = {section for section, _ in coaches.values()}
        self._desks = [LayoutClient(channel, "desk", roles="operator") for channel in channels]
        self._run = run
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._names = count(len(coaches) + 1)

    @property
    def seat_count(self) -> int:
        """The number of seats after the acknowledged changes."""
        return sum(seats for _, seats in self.coaches.values())

    def next_change(self) -> layout_pb2.UpdateLayoutRequest:
        """Return a random change. It changes `coaches`, so make the change."""
        is_lower_allowed = self._chance.randrange(4) == 0
        return layout_request(self._run, *self._next_operations(), allow_lower=is_lower_allowed)

    def _next_operations(self) -> list[Operation]:
        grows, shrinks = self.seat_count < SEATS_MAX, self.seat_count > SEATS_MIN
        possible = [self._set_fare]
        possible += [self._add_coach, self._grow_coach, self._add_section] * grows
        possible += [self._remove_coach, self._shrink_coach, self._remove_section] * (2 * shrinks)
        return self._chance.choice(possible)()

    async def plan(self, change: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
        """Plan a change, and reserve the seats of the plan."""
        request = _copy(change)
        request.request_id, request.validate_only = "", True
        request.reserve.seconds = RESERVE_SECONDS
        return await self._send(request)

    async def make(self, change: layout_pb2.UpdateLayoutRequest, plan_hash: str) -> layout_pb2.LayoutPlan:
        """Make exactly the planned change. Fail if the plan has changed."""
        request = _copy(change)
        request.plan_hash = plan_hash
        return await self._send(request)

    async def _send(self, request: layout_pb2.UpdateLayoutRequest) -> layout_pb2.LayoutPlan:
        async def answer() -> layout_pb2.LayoutPlan:
            try:
                return await self._chance.choice(self._desks).send_layout(request)
            except grpc.aio.AioRpcError as error:
                # It has the status ABORTED, which otherwise asks for a retry.
                if decoded(error).reason == "PLAN_CHANGED":
                    pytest.fail(f"the plan of {request} has changed: {decoded(error)}")
                raise

        return await retry_until_answered(answer)

    # -- the kinds of changes

    def _set_fare(self) -> list[Operation]:
        section = self._chance.choice(sorted(self._sections))
        return [set_fare(section, self._chance.choice(FARES))]

    def _add_coach(self, section: str = "") -> list[Operation]:
        section = section or self._chance.choice(sorted(self._sections))
        name, seats = str(next(self._names)), self._chance.choice(COACH_SEATS)
        self.coaches[name] = (section, seats)
        return [add_coach(name, section, seats)]

    def _add_section(self) -> list[Operation]:
        names = sorted({"A", "B", "C", "D"} - self._sections)
        if not names:
            return self._add_coach()
        self._sections.add(names[0])
        return [add_section(names[0], self._chance.choice(FARES)), *self._add_coach(names[0])]

    def _remove_coach(self) -> list[Operation]:
        return [self._remove(self._chance.choice([*self.coaches]))]

    def _remove(self, name: str) -> Operation:
        del self.coaches[name]
        return remove_coach(name)

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
        return [remove_section(smallest)]

    def _grow_coach(self) -> list[Operation]:
        return self._resize(self._chance.choice([*self.coaches]), self._chance.randint(1, 10))

    def _shrink_coach(self) -> list[Operation]:
        name = max(self.coaches, key=lambda name: self.coaches[name][1])
        return self._resize(name, -self._chance.randint(1, self.coaches[name][1] - 1))

    def _resize(self, name: str, more: int) -> list[Operation]:
        section, seats = self.coaches[name]
        self.coaches[name] = (section, seats + more)
        return [set_seat_count(name, seats + more)]


def _copy(change: layout_pb2.UpdateLayoutRequest) -> layout_pb2.UpdateLayoutRequest:
    request = layout_pb2.UpdateLayoutRequest()
    request.CopyFrom(change)
    return request
