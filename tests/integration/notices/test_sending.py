"""Sending notices: once, true at that moment, through faults of provider, templates and documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import pytest_asyncio

from app.domain.booking import Booking
from app.domain.notices.copies import resend_cause
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind, NoticeState, SkipReason
from app.domain.notices.preferences import NotificationPreferences
from app.domain.refusals import Reason, Refusal
from app.ports.notice_observer import NoticeResult
from app.ports.notices import NoticeMessage, NoticeOutcome
from app.store.in_memory import connect_in_memory
from tests.support.clients import LONDON, PARIS, ApiClient, Run
from tests.support.notice_sending import ACCEPTED, BUSY, DOWN, REFUSED, FakeChannel, SendingWorld
from tests.support.world import World, running_server, settings_for

EMAIL, SMS, LOG = NoticeChannelName.EMAIL, NoticeChannelName.SMS, NoticeChannelName.LOG


@dataclass
class Sale:
    """A booking of a running server, and the senders over its store."""

    world: World
    run: Run
    jane: ApiClient
    reference: str
    sending: SendingWorld
    mail: FakeChannel

    async def booking(self) -> Booking:
        """Return the booking as it is."""
        found = await self.sending.store.bookings.find_many([self.reference])
        return found[self.reference]

    async def stored(self, notice: Notice) -> Notice:
        """Return the notice as it is stored."""
        return (await self.sending.store.notices.find([notice.notice_id]))[notice.notice_id]

    async def sent(self, **chosen: object) -> Notice:
        """Schedule a notice of the booking, let a minute pass, and return it."""
        notice = self.sending.notice(await self.booking(), **chosen)  # type: ignore[arg-type]  # fields by name
        await self.sending.schedule(notice)
        await self.sending.work(minutes=1)
        return await self.stored(notice)


@pytest_asyncio.fixture
async def sale() -> AsyncIterator[Sale]:
    """Jane's booking on a train of eight seats, and a mail channel."""
    async with running_server(settings_for(), connect_in_memory()) as world:
        run, jane = await world.run("A8"), world.api_client("jane")
        booking = await jane.book(run, origin=LONDON, destination=PARIS)
        sending = SendingWorld(world.server.store)
        yield Sale(world, run, jane, booking.reference, sending, sending.add_channel(FakeChannel()))


async def test_a_ticket_is_sent_once_with_its_pdf_and_calendar_entry(sale: Sale) -> None:
    notice = await sale.sent()
    await sale.sending.schedule(notice)  # the same event again
    await sale.sending.work(hours=1)
    (message,) = sale.mail.sent
    assert (message.to, message.text.subject) == ("jane@example.com", "TICKET: A-1; pdf attached")
    assert [(part.filename, part.method) for part in message.attachments] == [
        (f"{sale.reference}.pdf", ""),
        (f"{sale.reference}-1.ics", "REQUEST"),
    ]
    assert (notice.state, notice.attempt_count, notice.attempts[0].status) == (NoticeState.SENT, 1, 250)


async def test_the_ticket_of_a_booking_that_was_cancelled_is_skipped(sale: Sale) -> None:
    await sale.jane.cancel(sale.reference)
    notice = await sale.sent()
    assert (notice.state, notice.skip_reason, sale.mail.sent) == (NoticeState.SKIPPED, SkipReason.CANCELLED, [])


async def test_a_cancellation_is_sent_with_the_withdrawn_calendar_entry(sale: Sale) -> None:
    await sale.jane.cancel(sale.reference)
    assert (await sale.sent(kind=NoticeKind.BOOKING_CANCELLED)).state is NoticeState.SENT
    (message,) = sale.mail.sent
    assert [part.method for part in message.attachments] == ["CANCEL"]


async def test_the_first_of_several_changes_tells_the_last_state_and_the_others_are_skipped(sale: Sale) -> None:
    revisions, notices = [], []
    for seat in (3, 5):
        await sale.jane.move(sale.reference, seat_number=seat)
        booking = await sale.booking()
        revisions.append(booking.revision)
        notices.append(sale.sending.notice(booking, NoticeKind.SEAT_CHANGED, cause=f"seat {seat}"))
    await sale.sending.schedule(*notices)
    await sale.sending.work(minutes=1)
    assert revisions[0] < revisions[1]
    assert [message.text.subject for message in sale.mail.sent] == ["SEAT_CHANGED: A-5; pdf attached"]
    stored = await sale.sending.store.notices.find([notice.notice_id for notice in notices])
    ends = {(notice.state, notice.skip_reason) for notice in stored.values()}
    assert ends == {(NoticeState.SENT, None), (NoticeState.SKIPPED, SkipReason.SUPERSEDED)}


async def test_a_notice_that_a_newer_one_replaces_is_counted_as_skipped_once(sale: Sale) -> None:
    booking = await sale.booking()
    later = sale.sending.now + timedelta(seconds=50)
    replaced = sale.sending.notice(booking, NoticeKind.BOOKING_UPDATED, cause="later", due_time=later)
    await sale.sending.schedule(sale.sending.notice(booking), replaced)
    await sale.sending.work(seconds=1)
    counted = {(NoticeKind.TICKET, NoticeResult.SENT): 1, (NoticeKind.BOOKING_UPDATED, NoticeResult.SKIPPED): 1}
    assert sale.sending.observer.results == counted
    await sale.sending.work(minutes=2)
    assert sale.sending.observer.results == counted


async def test_a_change_that_was_sent_already_is_superseded(sale: Sale) -> None:
    await sale.sent()
    late = await sale.sent(kind=NoticeKind.BOOKING_UPDATED, cause="late")
    assert (late.state, late.skip_reason, len(sale.mail.sent)) == (NoticeState.SKIPPED, SkipReason.SUPERSEDED, 1)


async def test_a_superfluous_notice_does_not_take_a_newer_change_with_it(sale: Sale) -> None:
    """The event of the first change came after a mail that told it already; only its own notice tells the second change."""
    first = sale.sending.notice(await sale.booking(), NoticeKind.BOOKING_UPDATED, cause="first")
    await sale.sent()
    await sale.jane.move(sale.reference, seat_number=7)
    second = sale.sending.notice(await sale.booking(), NoticeKind.SEAT_CHANGED, cause="second")
    await sale.sending.schedule(first, replace(second, due_time=sale.sending.now + timedelta(seconds=30)))
    await sale.sending.work(minutes=2)
    assert [message.text.subject for message in sale.mail.sent[1:]] == ["SEAT_CHANGED: A-7; pdf attached"]
    assert (await sale.stored(first)).skip_reason is SkipReason.SUPERSEDED


async def test_a_ticket_that_is_sent_again_is_not_superseded(sale: Sale) -> None:
    await sale.sent()
    assert (await sale.sent(cause=resend_cause("again"))).state is NoticeState.SENT
    assert len(sale.mail.sent) == 2


async def test_two_channels_send_a_pdf_that_was_drawn_once(sale: Sale) -> None:
    log = sale.sending.add_channel(FakeChannel(LOG))
    booking = await sale.booking()
    await sale.sending.schedule(*(sale.sending.notice(booking, channel=name) for name in (EMAIL, LOG)))
    await sale.sending.work(minutes=1)
    assert [message.attachments[0].content for message in (*sale.mail.sent, *log.sent)] == [b"%PDF", b"%PDF"]
    assert sale.sending.documents.pdf_count == 1


async def test_a_refused_address_fails_alone(sale: Sale) -> None:
    sale.mail.answer = lambda message: REFUSED
    notice = await sale.sent()
    assert (notice.state, notice.attempt_count, sale.mail.attempts) == (NoticeState.FAILED, 1, 1)


async def test_a_busy_mailbox_is_tried_for_a_day_and_then_given_up(sale: Sale) -> None:
    sale.mail.answer = lambda message: BUSY
    notice = await sale.sent()
    assert notice.state is NoticeState.SENDING
    await sale.sending.work(days=2)
    notice = await sale.stored(notice)
    assert notice.state is NoticeState.FAILED
    assert 20 < notice.attempt_count < 40
    assert notice.attempts[-1].time - notice.attempts[0].time <= timedelta(days=1)
    assert len(notice.attempts) == 10


async def test_a_provider_that_is_down_for_an_hour_loses_nothing_and_holds_up_no_other_channel(sale: Sale) -> None:
    log = sale.sending.add_channel(FakeChannel(LOG))
    booking = await sale.booking()
    down_until = sale.sending.now + timedelta(hours=1)
    sale.mail.answer = lambda message: DOWN if sale.sending.now < down_until else ACCEPTED
    mails = [sale.sending.notice(booking, cause=resend_cause(str(number))) for number in range(60)]
    files = [replace(notice, notice_id=f"{notice.notice_id} log", channel=LOG) for notice in mails]
    await sale.sending.schedule(*mails, *files)
    await sale.sending.work(minutes=1)
    assert (len(log.sent), sale.mail.sent) == (60, [])
    attempts_at_first = sale.mail.attempts
    await sale.sending.work_until(down_until)
    assert sale.mail.sent == []
    assert attempts_at_first == sale.mail.attempts < 10  # the circuit opened, and further mails were not tried
    assert 80 < sale.mail.probes < 130  # every 30 seconds
    await sale.sending.work(hours=1)
    assert sorted(message.notice_id for message in sale.mail.sent) == sorted(notice.notice_id for notice in mails)
    assert sale.sending.now - down_until == timedelta(hours=1)


async def test_a_mail_goes_without_the_pdf_that_fails_and_the_pdf_follows(sale: Sale) -> None:
    sale.sending.documents.fails = True
    notice = await sale.sent()
    assert notice.state is NoticeState.SENT
    assert [message.text.subject for message in sale.mail.sent] == ["TICKET: A-1; pdf follows"]
    sale.sending.documents.fails = False
    await sale.sending.work(minutes=10)
    assert [message.text.subject for message in sale.mail.sent[1:]] == ["TICKET: A-1; pdf attached"]


async def test_a_pdf_that_always_fails_is_given_up_after_a_day_without_a_further_mail(sale: Sale) -> None:
    sale.sending.documents.fails = True
    await sale.sent()
    await sale.sending.work(days=2)
    assert len(sale.mail.sent) == 1
    states = [notice.state for notice in await sale.sending.store.notices.list_page("", sale.reference, None, 10)]
    assert sorted(states) == [NoticeState.FAILED, NoticeState.SENT]


async def test_a_template_that_fails_does_not_hold_back_the_facts(sale: Sale) -> None:
    sale.sending.writer.fails = True
    assert (await sale.sent()).state is NoticeState.SENT
    assert [message.text.subject for message in sale.mail.sent] == ["facts of TICKET"]


async def test_a_worker_that_dies_before_it_records_sends_the_same_message_again(sale: Sale) -> None:
    """A test by the id from which the Message-ID follows: SMTP cannot do better."""

    def die(message: NoticeMessage) -> NoticeOutcome:
        sale.mail.sent.append(message)
        raise Refusal(Reason.RECORD_UNREADABLE, "stands for the death of the worker")

    sale.mail.answer = die
    notice = sale.sending.notice(await sale.booking())
    await sale.sending.schedule(notice)
    with pytest.raises(Refusal):
        await sale.sending.work(minutes=1)
    sale.mail.answer = lambda message: ACCEPTED
    await sale.sending.work(minutes=1)
    assert [message.notice_id for message in sale.mail.sent] == [notice.notice_id] * 2
    assert (await sale.stored(notice)).state is NoticeState.SENT


async def test_a_database_that_is_away_for_a_moment_after_the_acceptance_repeats_no_mail(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, refusals = sale.sending.store.notices.record, iter([True, True, False])

    async def record_later(notice: Notice) -> bool:
        if next(refusals, False):
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "an election")
        return await record(notice)

    monkeypatch.setattr(sale.sending.store.notices, "record", record_later)
    monkeypatch.setattr("app.usecases.notices.sending._RECORD_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    assert (await sale.sent()).state is NoticeState.SENT
    assert len(sale.mail.sent) == 1


async def test_an_sms_goes_to_the_phone_and_without_one_it_is_skipped(sale: Sale) -> None:
    sms = sale.sending.add_channel(FakeChannel(SMS))
    skipped = await sale.sent(channel=SMS)
    assert (skipped.state, skipped.skip_reason) == (NoticeState.SKIPPED, SkipReason.UNSUBSCRIBED)
    chosen = NotificationPreferences(channels=(SMS,), phone="+33612345678", version=1)
    assert await sale.sending.store.preferences.replace("jane@example.com", chosen, sale.sending.now)
    await sale.sent(channel=SMS, cause="later")
    assert [(message.to, message.attachments) for message in sms.sent] == [("+33612345678", ())]


async def test_a_reminder_follows_its_train_and_is_skipped_when_it_is_too_late_or_not_wanted(sale: Sale) -> None:
    depart = (await sale.booking()).journey.depart
    sale.sending.now = depart - timedelta(hours=5)  # its train got later after it was made
    early = await sale.sent(kind=NoticeKind.DEPARTURE_REMINDER)
    assert (early.state, early.due_time) == (NoticeState.SCHEDULED, depart - timedelta(hours=3))
    await sale.sending.work(hours=3)
    assert (await sale.stored(early)).state is NoticeState.SENT
    sale.sending.now = depart - timedelta(minutes=29)
    late = await sale.sent(kind=NoticeKind.DEPARTURE_REMINDER, cause="late", revision=10**6)
    assert late.skip_reason is SkipReason.LATE
    unwanted = NotificationPreferences(arrival_reminders=False, version=1)
    assert await sale.sending.store.preferences.replace("jane@example.com", unwanted, sale.sending.now)
    assert (await sale.sent(kind=NoticeKind.ARRIVAL_REMINDER)).skip_reason is SkipReason.UNSUBSCRIBED


async def test_a_reminder_that_the_provider_holds_up_while_its_train_gets_later_is_late_from_the_later_time(sale: Sale) -> None:
    depart = (await sale.booking()).journey.depart
    sale.sending.now = depart - timedelta(hours=3)
    sale.mail.answer = lambda message: BUSY
    reminder = await sale.sent(kind=NoticeKind.DEPARTURE_REMINDER)
    await sale.world.desk.set_delay(sale.run, 60)
    sale.sending.now = depart - timedelta(hours=2) + timedelta(minutes=10)  # no worker ran for an hour
    sale.mail.answer = lambda message: ACCEPTED
    await sale.sending.work(minutes=1)
    assert (await sale.stored(reminder)).due_time == depart - timedelta(hours=2)
    assert sale.sending.observer.late_seconds == [600.0]
