"""How many documents may be in work at a time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from app.domain.refusals import Reason, Refusal
from app.ports.notices import DocumentError, TicketFormat
from app.usecases.tickets import DOCUMENTS_MAX, TicketUseCases
from tests.support.world import eventually


class _Documents:
    """Draws nothing until it may."""

    def __init__(self) -> None:
        self.may_end, self.is_faulty = asyncio.Event(), False

    async def png(self, *_: object) -> bytes:
        await self.may_end.wait()
        if self.is_faulty:
            raise DocumentError("no font")
        return b"picture"


class _Parts:
    def __init__(self, documents: _Documents) -> None:
        self.documents = documents


def _made(use_cases: TicketUseCases, parts: _Parts) -> asyncio.Task[bytes]:
    return asyncio.create_task(
        use_cases._make(cast("Any", parts), cast("Any", None), TicketFormat.PNG, cast("Any", None), "")  # the part under test
    )


@pytest.mark.parametrize("is_faulty", [False, True], ids=["drawn", "faulty"])
async def test_documents_of_callers_who_left_count_until_they_are_done(is_faulty: bool) -> None:
    documents = _Documents()
    documents.is_faulty = is_faulty
    use_cases, parts = TicketUseCases(cast("Any", None), cast("Any", None), cast("Any", None), ()), _Parts(documents)
    calls = [_made(use_cases, parts) for _ in range(DOCUMENTS_MAX)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    with pytest.raises(Refusal) as refused:
        await _made(use_cases, parts)
    assert refused.value.reason is Reason.TOO_MANY_CALLS

    async def nothing_in_work() -> bool:
        return use_cases._in_work == 0

    documents.may_end.set()
    await eventually(nothing_in_work)
