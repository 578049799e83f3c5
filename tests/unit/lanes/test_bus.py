"""The command bus is all that use cases know of lanes, and a bus may stand in front of another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from app.domain.commands import Command, ReleaseHold, ResultT
from app.domain.run.hold import hold_id, hold_key
from app.lanes.bus import CommandBus
from app.usecases.holds import HoldUseCases
from tests.support.builders import a_caller
from tests.support.layer_checks import imports

ROOT = Path(__file__).parents[3]


class InnerBus:
    """Stands for the lanes of a server: answers every command with None."""

    def submit(self, command: Command[Any], deadline: float) -> Awaitable[Any]:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer.set_result(None)
        return answer


class OuterBus:
    """A bus in front of another one, as one that forwards commands would be. Notes the runs of the commands."""

    def __init__(self, inner: CommandBus) -> None:
        self._inner = inner
        self.run_ids: list[str] = []

    def submit(self, command: Command[ResultT], deadline: float) -> Awaitable[ResultT]:
        self.run_ids.append(command.run_id)
        return self._inner.submit(command, deadline)


def test_use_cases_import_nothing_of_lanes_but_the_bus() -> None:
    found = {
        imported.module
        for path in ROOT.glob("app/usecases/**/*.py")
        for imported in imports(str(path.relative_to(ROOT)), path.read_text())
        if imported.module.startswith("app.lanes")
    }
    assert found == {"app.lanes.bus"}


async def test_a_use_case_submits_its_command_to_whatever_bus_it_is_given() -> None:
    bus = OuterBus(InnerBus())
    held = hold_id("es9014", "2026-09-01", hold_key("jane@example.com", "request"))
    await HoldUseCases(bus).release(ReleaseHold(a_caller(), held), 10.0)
    assert bus.run_ids == ["es9014:2026-09-01"]
