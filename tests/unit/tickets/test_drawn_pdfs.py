"""A PDF is drawn once for each booking, revision and language, however many channels send it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.ports.notices import DocumentError
from app.tickets.drawn_pdfs import DrawnPdfs
from tests.support.notice_sending import FakeDocuments
from tests.support.tickets import a_ticket

ENGLISH, FRENCH = Language.ENGLISH, Language.FRENCH


class CountedDocuments(FakeDocuments):
    """Draws a PDF of ten bytes when it may, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.has_begun, self.may_draw = 0, asyncio.Event(), asyncio.Event()
        self.may_draw.set()

    async def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        self.count += 1
        self.has_begun.set()
        await self.may_draw.wait()
        await super().pdf(tickets, language)
        return f"%PDF {self.count:5}".encode()


async def test_the_same_tickets_are_drawn_once_whatever_else_changed_on_the_run() -> None:
    drawn, ticket = CountedDocuments(), a_ticket()
    documents = DrawnPdfs(drawn)
    first = await documents.pdf((ticket,), ENGLISH)
    assert await documents.pdf((replace(ticket, sequence=ticket.sequence + 5),), ENGLISH) == first
    assert drawn.count == 1


async def test_another_revision_language_or_time_is_drawn() -> None:
    drawn, ticket = CountedDocuments(), a_ticket()
    documents = DrawnPdfs(drawn)
    later = replace(ticket, expected_depart=ticket.expected_arrive)
    others = [(replace(ticket, revision=7), ENGLISH), (ticket, FRENCH), (later, ENGLISH)]
    pdfs = {await documents.pdf((found,), language) for found, language in [(ticket, ENGLISH), *others]}
    assert (len(pdfs), drawn.count) == (4, 4)


async def test_callers_at_a_time_share_a_drawing_and_one_who_leaves_does_not_end_it() -> None:
    drawn, ticket = CountedDocuments(), a_ticket()
    documents = DrawnPdfs(drawn)
    drawn.may_draw.clear()
    leaving, staying = (asyncio.create_task(documents.pdf((ticket,), ENGLISH)) for _ in range(2))
    await drawn.has_begun.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    drawn.may_draw.set()
    assert await staying == await documents.pdf((ticket,), ENGLISH)
    assert drawn.count == 1


async def test_a_fault_is_not_kept() -> None:
    drawn, ticket = CountedDocuments(), a_ticket()
    documents = DrawnPdfs(drawn)
    drawn.fails = True
    with pytest.raises(DocumentError):
        await documents.pdf((ticket,), ENGLISH)
    drawn.fails = False
    assert await documents.pdf((ticket,), ENGLISH)
    assert drawn.count == 2


async def test_what_was_asked_for_last_is_kept_within_the_bound() -> None:
    drawn, ticket = CountedDocuments(), a_ticket()
    documents = DrawnPdfs(drawn, bytes_kept_max=25)  # two of them
    for revision in (1, 2, 1, 3, 1):
        await documents.pdf((replace(ticket, revision=revision),), ENGLISH)
    assert drawn.count == 3
    await documents.pdf((replace(ticket, revision=2),), ENGLISH)
    assert drawn.count == 4
    too_large = DrawnPdfs(drawn, bytes_kept_max=5)
    assert [len(await too_large.pdf((ticket,), ENGLISH)) for _ in range(2)] == [10, 10]
    assert drawn.count == 6
