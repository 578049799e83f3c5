"""A day of one run: everybody has each mail once, whatever happens to workers and to the mail server.

The passengers have names in ten scripts. A real aiosmtpd refuses, breaks off and stalls; two workers are killed, each while the
server has accepted a mail and the worker does not know. The clock of all processes is moved from the sale to the arrival.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.domain.notices.notice import NoticeKind, NoticeState, message_id
from app.pb.seatline.v1 import booking_pb2
from tests.e2e.outages import SETTINGS
from tests.support.clients import Person, Run, address
from tests.support.clocked_worker import CLOCK_FILE, ClockedWorker, FileClock
from tests.support.long_mode import full
from tests.support.mail_server import (
    CLOSES_BEFORE_ACCEPTING,
    LOOPBACK,
    MailFault,
    MailServer,
    Step,
    refusing,
    running_mail_server,
)
from tests.support.own_mongod import start_mongod
from tests.support.server_clocks import set_clock
from tests.support.server_processes import running
from tests.support.world import World, eventually, running_server, settings_for

TRAVELLERS = full(800, short=40)
CANCELLED = full(40, short=4)
SECONDS_MAX = full(900.0, short=120.0)  # on a busy machine; the short mode takes some ten seconds otherwise
DELAY = timedelta(minutes=60)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SENDER = "tickets@example.com"
DATABASE = "day_of_notices"
# Latin, Greek, Cyrillic, Vietnamese, Arabic, Hebrew, Devanagari, Thai, Chinese, Hangul.
NAMES = ("Zoë", "Αθηνά", "Ольга", "Nguyễn", "ليلى", "שרה", "आशा", "สมชาย", "王芳", "지우")
ACCEPTED_IN_SILENCE = MailFault(Step.DATA, stalls=True, accepts=True)
FAULTS = (
    refusing(Step.MAIL, "421 4.3.2 try again later"),
    refusing(Step.RCPT, "450 4.2.1 the mailbox is busy"),
    CLOSES_BEFORE_ACCEPTING,
)


class Day:
    """The processes of the day, what was booked, and which mails a killed worker may have left twice."""

    def __init__(self, world: World, mails: MailServer, clock: FileClock, home: Path, settings: dict[str, str]) -> None:
        self.world, self.mails, self.clock = world, mails, clock
        self.maybe_twice: set[str] = set()
        self._home, self._settings, self._workers = home, settings, 0

    def worker(self) -> ClockedWorker:
        """Start a worker."""
        self._workers += 1
        return ClockedWorker(self._home / f"worker-{self._workers}", **self._settings)

    async def advance_to(self, moment: datetime) -> None:
        """Move the clock of all processes."""
        self.clock.advance(moment - self.clock.now())

    async def sent(self, kind: NoticeKind, count: int) -> None:
        """Return once so many notices of a kind are sent. What failed is tried again as time passes."""

        async def are_sent() -> bool:
            # A lease must not expire because the clock runs faster than the worker that renews it.
            if not await self.world.database["jobs"].count_documents({"kind": "send email", "lease_until": {"$ne": None}}):
                self.clock.advance(timedelta(seconds=1))
            query = {"kind": kind.value, "state": NoticeState.SENT.value}
            return await self.world.database["notices"].count_documents(query) >= count

        await eventually(are_sent, SECONDS_MAX)

    async def kill_after_acceptance(self, worker: ClockedWorker) -> None:
        """Kill a worker that waits for the answer to a mail which the server has accepted."""
        self.mails.faults.append(ACCEPTED_IN_SILENCE)

        async def is_silent() -> bool:
            return ACCEPTED_IN_SILENCE not in self.mails.faults

        await eventually(is_silent, SECONDS_MAX)
        worker.kill()
        sent = {notice["_id"] for notice in await self.notices() if notice["state"] == NoticeState.SENT.value}
        known = {message_id_of(notice_id) for notice_id in sent}
        unknown = {mail.message_id for mail in self.mails.mails} - known
        assert unknown
        self.maybe_twice |= unknown
        self.clock.advance(MINUTE)  # the leases of the killed worker expire

    async def notices(self) -> list[dict[str, Any]]:
        """Return all notices as stored."""
        return await self.world.database["notices"].find({}).to_list(100_000)


def message_id_of(notice_id: str) -> str:
    return message_id(notice_id, SENDER.rpartition("@")[2])


@asynccontextmanager
async def a_day(home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Day]:
    """Run a mail server, a database and a server without a worker."""
    clock = FileClock(home / "clock")
    set_clock(monkeypatch, clock.now)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (home / "ticket-key.pem").write_bytes(key)
    mongod = start_mongod(home / "mongod")
    try:
        async with running_mail_server() as mails:
            settings = {
                **SETTINGS,
                "SEATLINE_MONGODB_URI": mongod.uri,
                "SEATLINE_MONGODB_DATABASE": DATABASE,
                "SEATLINE_NOTICE_CHANNELS": "email",
                "SEATLINE_NOTICE_SENDER": SENDER,
                "SEATLINE_SMTP_HOST": LOOPBACK,
                "SEATLINE_SMTP_PORT": str(mails.port),
                "SEATLINE_SMTP_SECURITY": "none",
                "SEATLINE_SMTP_PER_SECOND_MAX": "1000",
                "SEATLINE_TICKET_KEY_FILE": str(home / "ticket-key.pem"),
                CLOCK_FILE: str(home / "clock"),
            }
            async with running_server(settings_for(mongod.uri, DATABASE)) as world:
                yield Day(world, mails, clock, home, settings)
    finally:
        mongod.stop()


def a_traveller(number: int) -> Person:
    return Person(first_name=NAMES[number % len(NAMES)], last_name=f"Doe {number}", email=address(f"t{number}"))


async def book_all(day: Day, run: Run) -> list[booking_pb2.Booking]:
    """Sell all seats: every fourth booking is of two who have addresses of their own."""
    travellers = [a_traveller(number) for number in range(TRAVELLERS)]
    groups: list[list[Person]] = []
    while travellers:
        count = 2 if len(groups) % 4 == 0 else 1
        groups.append(travellers[:count])
        travellers = travellers[count:]
    slots = asyncio.Semaphore(20)

    async def book(group: list[Person]) -> booking_pb2.Booking:
        async with slots:
            return await day.world.api_client(group[0].email.partition("@")[0]).book(run, *group)

    return list(await asyncio.gather(*map(book, groups)))


async def cancel_all(day: Day, bookings: Collection[booking_pb2.Booking]) -> set[str]:
    """Cancel these bookings, and return the addresses of their passengers."""
    for booking in bookings:
        await day.world.api_client(booking.user.email.partition("@")[0]).cancel(booking.reference)
    return {passenger.email for booking in bookings for passenger in booking.passengers}


@pytest.mark.timeout(SECONDS_MAX * 3)
async def test_each_traveller_has_each_mail_of_the_day_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_day(tmp_path, monkeypatch) as day:
        run = await day.world.run(" ".join(f"A{min(400, TRAVELLERS - first)}" for first in range(0, TRAVELLERS, 400)))
        bookings = await book_all(day, run)
        everybody = {address(f"t{number}") for number in range(TRAVELLERS)}
        departs = bookings[0].depart_time.ToDatetime(UTC)
        arrives = bookings[0].arrive_time.ToDatetime(UTC)
        begin = day.clock.now()

        async with running(day.worker()) as first:
            await day.kill_after_acceptance(first)
        day.mails.faults.extend(FAULTS)
        async with running(day.worker()) as second:
            await day.sent(NoticeKind.TICKET, TRAVELLERS)
            gone = await cancel_all(day, bookings[:CANCELLED])
            staying = everybody - gone
            await day.sent(NoticeKind.BOOKING_CANCELLED, len(gone))
            await day.advance_to(departs - 5 * HOUR)
            await day.world.desk.set_delay(run, 20)
            await day.world.desk.set_delay(run, int(DELAY / MINUTE))
            await day.sent(NoticeKind.DELAYED, len(staying))
            await day.advance_to(departs - 3 * HOUR + MINUTE)  # three hours before the time of the timetable
            early = [notice for notice in await day.notices() if notice["kind"] == NoticeKind.DEPARTURE_REMINDER.value]
            await day.advance_to(departs + DELAY - 3 * HOUR)
            await day.kill_after_acceptance(second)
        async with running(day.worker()):
            await day.sent(NoticeKind.DEPARTURE_REMINDER, len(staying))
            await day.advance_to(arrives + DELAY - 30 * MINUTE)
            await day.sent(NoticeKind.ARRIVAL_REMINDER, len(staying))

        assert early == []
        notices = {message_id_of(notice["_id"]): notice for notice in await day.notices()}
        copies = Counter(mail.message_id for mail in day.mails.mails)
        assert {key for key, count in copies.items() if count > 1} <= day.maybe_twice
        assert max(copies.values()) <= 2
        assert copies.keys() == {key for key, notice in notices.items() if notice["state"] == NoticeState.SENT.value}
        received = {(mail.recipient, notices[mail.message_id]["kind"]) for mail in day.mails.mails}
        refunded = {(to, NoticeKind.REFUNDED.value) for to in gone}  # who booked, a minute after the refund
        assert received - refunded == expected_mails(everybody, gone)
        by_kind = Counter(notices[key]["kind"] for key in copies)
        assert by_kind[NoticeKind.DELAYED.value] == len(staying)  # 20 and 60 minutes are one mail
        assert all(notice["create_time"] >= begin for notice in notices.values())
        for notice in notices.values():
            if notice["kind"] == NoticeKind.DEPARTURE_REMINDER.value:
                assert notice["final_time"] >= notice["due_time"] >= departs + DELAY - 3 * HOUR
            if notice["kind"] == NoticeKind.ARRIVAL_REMINDER.value:
                assert notice["final_time"] >= notice["due_time"] >= arrives + DELAY - 30 * MINUTE


def expected_mails(everybody: Collection[str], gone: Collection[str]) -> set[tuple[str, str]]:
    """Return which kind of mail each address has to have."""
    of_gone = (NoticeKind.TICKET, NoticeKind.BOOKING_CANCELLED)
    of_others = (NoticeKind.TICKET, NoticeKind.DELAYED, NoticeKind.DEPARTURE_REMINDER, NoticeKind.ARRIVAL_REMINDER)
    return {(to, kind.value) for to in everybody for kind in (of_gone if to in gone else of_others)}
