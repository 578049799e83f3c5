"""What the sender decides: by kind and by the booking as it is; whom a notice is about; when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking
from app.domain.notices.notice import (
    NOTICE_TRANSITIONS,
    WHOLE_BOOKING,
    Notice,
    NoticeAttempt,
    NoticeChannelName,
    NoticeKind,
    NoticeState,
    SkipReason,
    notice_id,
)
from app.domain.notices.preferences import DEFAULT_PREFERENCES
from app.domain.notices.sending import (
    ATTEMPTS_KEPT_MAX,
    Decision,
    Postpone,
    Send,
    SendingFacts,
    Skip,
    after_acceptance,
    after_failure,
    after_refusal,
    after_skip,
    decide,
    following_expected_times,
)
from app.domain.run.train_run import TrainRun
from tests.support.builders import DEPARTS_LONDON, NOW, a_run, book, book_waitlisted, cancel, current_booking, fill
from tests.support.cancellations import cancel_run

ALL = frozenset(NoticeKind)
# Kinds that are true of a booking in each state; all others are skipped.
ANY = {NoticeKind.BOOKING_CANCELLED, NoticeKind.RUN_CANCELLED, NoticeKind.REFUNDED, NoticeKind.WAITLIST_EXPIRED}
LIVE = {NoticeKind.MOVED, NoticeKind.BOOKING_UPDATED, NoticeKind.PASSENGERS_CANCELLED, NoticeKind.DELAYED}
REMINDERS = {NoticeKind.DEPARTURE_REMINDER, NoticeKind.ARRIVAL_REMINDER}
SEATED = {NoticeKind.TICKET, NoticeKind.PROMOTED, NoticeKind.SEAT_CHANGED} | REMINDERS


def a_notice(booking: Booking, kind: NoticeKind, addressee: str = WHOLE_BOOKING) -> Notice:
    """Return a notice about a booking, due now."""
    return Notice(
        notice_id=notice_id(kind, booking.reference, addressee, "event", NoticeChannelName.EMAIL),
        kind=kind,
        channel=NoticeChannelName.EMAIL,
        reference=booking.reference,
        run_id=booking.journey.run_id,
        addressee=addressee,
        passenger_numbers=(),
        recipient_key=booking.user_key,
        cause="event",
        revision=booking.revision,
        due_time=NOW,
        create_time=NOW,
        state=NoticeState.SENDING,
    )


def facts_of(run: TrainRun, booking: Booking) -> SendingFacts:
    """Return the facts about a booking as it is."""
    return SendingFacts(current_booking(run, booking), run.schedule, run.version, DEFAULT_PREFERENCES)


def decided(run: TrainRun, booking: Booking, kind: NoticeKind, addressee: str = WHOLE_BOOKING) -> Decision:
    """Decide about a notice of that kind now."""
    return decide(a_notice(booking, kind, addressee), facts_of(run, booking), NOW)


def sent_kinds(run: TrainRun, booking: Booking) -> set[NoticeKind]:
    """Return the kinds that are sent about a booking."""
    return {kind for kind in NoticeKind if isinstance(decided(run, booking, kind), Send)}


def reasons(run: TrainRun, booking: Booking) -> set[SkipReason]:
    """Return the reasons why the other kinds are skipped."""
    decisions = (decided(run, booking, kind) for kind in NoticeKind)
    return {decision.reason for decision in decisions if isinstance(decision, Skip)}


def test_a_confirmed_booking_hears_all_but_that_it_waits() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    assert sent_kinds(run, booking) == ALL - {NoticeKind.WAITLISTED}
    assert reasons(run, booking) == {SkipReason.SUPERSEDED}


def test_a_waitlisted_booking_has_no_tickets_and_no_reminders() -> None:
    run = a_run("A1")
    fill(run)
    booking = book_waitlisted(run, "jane")
    assert sent_kinds(run, booking) == ANY | LIVE | {NoticeKind.WAITLISTED}
    assert reasons(run, booking) == {SkipReason.SUPERSEDED}


def test_a_cancelled_booking_hears_only_of_its_end() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    cancel(run, booking)
    assert sent_kinds(run, booking) == ANY
    assert reasons(run, booking) == {SkipReason.CANCELLED}


def test_a_booking_whose_train_is_cancelled_has_no_reminder_even_before_it_is_cancelled_itself() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    cancel_run(run)
    assert sent_kinds(run, current_booking(run, booking)) == ANY
    assert reasons(run, booking) == {SkipReason.CANCELLED}


def test_a_recipient_whose_passenger_left_hears_of_nothing_else() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "joe")
    cancel(run, booking, "joe")
    left = {kind for kind in NoticeKind if isinstance(decided(run, booking, kind, "2"), Send)}
    assert left == ANY
    assert isinstance(decided(run, booking, NoticeKind.TICKET), Send)
    assert decided(run, booking, NoticeKind.TICKET, "9") == Skip(SkipReason.CANCELLED)


def test_a_notice_to_the_booker_is_about_all_and_one_to_a_passenger_about_that_address() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "joe", "jim")
    cancel(run, booking, "jim")
    to_booker, to_joe = decided(run, booking, NoticeKind.TICKET), decided(run, booking, NoticeKind.TICKET, "2")
    assert isinstance(to_booker, Send)
    assert isinstance(to_joe, Send)
    assert [passenger.number for passenger in to_booker.seated] == [1, 2]
    assert [passenger.number for passenger in to_joe.seated] == [2]
    partly = decided(run, booking, NoticeKind.PASSENGERS_CANCELLED)
    assert isinstance(partly, Send)
    assert [[who.number for who in whom] for whom in (partly.passengers, partly.seated, partly.withdrawn)] == [[3], [1, 2], [3]]
    assert partly.content_revision == run.version


def test_refunds_are_as_new_as_their_number() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    cancel(run, booking)
    facts = facts_of(run, booking)
    decision = decide(a_notice(booking, NoticeKind.REFUNDED), replace(facts, done_refunds=facts.booking.refunds), NOW)
    assert isinstance(decision, Send)
    assert decision.content_revision == len(facts.booking.refunds) == 1


@pytest.mark.parametrize(("minutes", "expected"), [(-31, Send), (-30, Send), (-29, SkipReason.LATE)])
def test_a_departure_reminder_is_useful_until_half_an_hour_before(minutes: int, expected: object) -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    notice = a_notice(booking, NoticeKind.DEPARTURE_REMINDER)
    decision = decide(notice, facts_of(run, booking), DEPARTS_LONDON + timedelta(minutes=minutes))
    assert decision == Skip(SkipReason.LATE) if expected is SkipReason.LATE else isinstance(decision, Send)


def test_a_reminder_whose_train_got_later_is_postponed() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    later = NOW + timedelta(hours=1)
    facts = replace(facts_of(run, booking), reminder_time=later)
    assert decide(a_notice(booking, NoticeKind.ARRIVAL_REMINDER), facts, NOW) == Postpone(later)
    assert isinstance(decide(a_notice(booking, NoticeKind.ARRIVAL_REMINDER), facts, later), Send)


@pytest.mark.parametrize(("by_train", "due"), [(None, 0), (-60, 0), (60, 60)])
def test_a_reminder_is_due_when_its_train_says_unless_that_is_earlier(by_train: int | None, due: int) -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    reminder_time = None if by_train is None else NOW + timedelta(minutes=by_train)
    facts = replace(facts_of(run, booking), reminder_time=reminder_time)
    reminder = following_expected_times(a_notice(booking, NoticeKind.DEPARTURE_REMINDER), facts)
    assert reminder.due_time == NOW + timedelta(minutes=due)


def test_who_unsubscribed_or_gave_up_the_phone_is_not_sent_to() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    facts = replace(facts_of(run, booking), preferences=replace(DEFAULT_PREFERENCES, departure_reminders=False))
    reminder = a_notice(booking, NoticeKind.DEPARTURE_REMINDER)
    assert decide(reminder, facts, NOW) == Skip(SkipReason.UNSUBSCRIBED)
    assert isinstance(decide(a_notice(booking, NoticeKind.ARRIVAL_REMINDER), facts, NOW), Send)
    by_sms = replace(a_notice(booking, NoticeKind.TICKET), channel=NoticeChannelName.SMS)
    assert decide(by_sms, facts, NOW) == Skip(SkipReason.UNSUBSCRIBED)


# -- attempts


def test_a_failing_notice_is_tried_for_a_day_and_keeps_its_first_and_last_attempts() -> None:
    run = a_run("A4")
    notice, now, made = a_notice(book(run, "jane"), NoticeKind.TICKET), NOW, 0
    while notice.state is NoticeState.SENDING:
        notice, next_time = after_failure(notice, NoticeAttempt(now, 450, "busy"), 1.0)
        made += 1
        now = next_time or now
    assert notice.state is NoticeState.FAILED
    assert timedelta(hours=20) < now - NOW <= timedelta(days=1)
    assert (notice.attempt_count, len(notice.attempts), notice.attempts[0].time) == (made, ATTEMPTS_KEPT_MAX, NOW)


def test_a_provider_that_asks_for_a_pause_gets_it() -> None:
    notice = a_notice(book(a_run("A4"), "jane"), NoticeKind.TICKET)
    _, next_time = after_failure(notice, NoticeAttempt(NOW, 429, ""), 0.0, asked_pause_seconds=900.0)
    assert next_time == NOW + timedelta(minutes=15)


def test_each_outcome_is_a_change_of_state_that_the_table_lists() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    notice, attempt = a_notice(booking, NoticeKind.DELAYED), NoticeAttempt(NOW, 250, "")
    send = decided(run, booking, NoticeKind.DELAYED)
    assert isinstance(send, Send)
    sent = after_acceptance(notice, attempt, send)
    ends = (
        sent,
        after_refusal(notice, attempt),
        after_skip(notice, SkipReason.LATE, NOW),
        after_failure(notice, attempt, 0.5)[0],
    )
    assert [end.state.value for end in ends] == ["SENT", "FAILED", "SKIPPED", "SENDING"]
    assert all((notice.state, end.state) in NOTICE_TRANSITIONS for end in ends)
    assert all((end.final_time is not None) is end.is_final for end in ends)
    assert (sent.content_revision, sent.told_minutes) == (run.version, 0)
