"""The rules make exactly the changes of state that the tables list: every one of them, and no others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from random import Random
from typing import Any, cast

from app.domain.booking import BOOKING_TRANSITIONS, Booking, BookingState
from app.domain.commands import CancelUnpaid
from app.domain.deliveries import (
    DELIVERY_TRANSITIONS,
    Delivery,
    DeliveryState,
    OutcomeKind,
    SendOutcome,
    after_delivery_attempt,
)
from app.domain.disruption import DisruptionReason
from app.domain.jobs import (
    JOB_TRANSITIONS,
    Job,
    PermanentJobError,
    after_failure,
    after_operator_retry,
    after_periodic_failure,
    after_periodic_success,
    after_success,
    job_retries,
)
from app.domain.money import Money
from app.domain.notices.from_events import NoticeCause, make_notices
from app.domain.notices.notice import NOTICE_TRANSITIONS, NoticeChannelName, NoticeKind, NoticeState
from app.domain.notices.preferences import NotificationPreferences
from app.domain.notices.recipients import booker_of
from app.domain.notices.send_jobs import send_job
from app.domain.payments import (
    PAYMENT_TRANSITIONS,
    REFUND_TRANSITIONS,
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    RefundState,
    after_attempt,
    new_payment,
    with_pending_refund,
)
from app.domain.people import Caller
from app.domain.refusals import Refusal
from app.domain.rules.cancel_unpaid import cancel_unpaid
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.delay_record import Arrival
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RUN_TRANSITIONS
from app.domain.webhooks import WEBHOOK_RETRIES
from app.ports.notices import NoticeStore
from app.store.driver import Database
from app.store.in_memory import connect_in_memory
from app.store.notices import Notices
from tests.support.builders import DEPARTS_LONDON, NOW, a_run, seeded_random
from tests.support.layout_changes import remove_seats
from tests.support.notice_sending import ACCEPTED, BUSY, REFUSED, FakeChannel, SendingWorld
from tests.support.random_commands import decide_some
from tests.support.world import running_server, settings_for

Changes = set[tuple[StrEnum | None, StrEnum]]
JOB = Job("refund 1", "refund", {}, NOW, NOW)
DELIVERY = Delivery("d1", "e1", "w1", "booking.confirmed", NOW, DeliveryState.PENDING, (), NOW)
AMOUNT = Money(1_000, "EUR")


def changes(before: dict[str, Booking], after: dict[str, Booking]) -> Changes:
    """Return the changes of state between two moments of a run."""
    states = {reference: booking.state for reference, booking in before.items()}
    found: Changes = {(states.get(reference), booking.state) for reference, booking in after.items()}
    return {(old, new) for old, new in found if old is not new}


def states_of_a_random_run(seed: int) -> Changes:
    """Return the changes of state on a run: people book, wait, cancel, do not pay, lose seats, until the waitlist closes."""
    run, chance, seen = a_run(), seeded_random(seed), Changes()
    for _ in range(60):
        seen |= step(run, lambda: decide_some(run, chance, 1))
        if run.bookings and chance.random() < 0.2:
            unpaid = chance.choice(sorted(run.bookings))
            seen |= step(run, partial(fail_payment, run, unpaid))
        if chance.random() < 0.03:
            seen |= step(run, partial(lose_a_seat, run, chance))
    return seen | step(run, lambda: decide_some(run, chance, 1, waitlist_closing_time(run)))


def step(run: TrainRun, act: Callable[[], object]) -> Changes:
    before = dict(run.bookings)
    act()
    return changes(before, run.bookings)


def fail_payment(run: TrainRun, reference: str) -> None:
    with suppress(Refusal):
        cancel_unpaid(run, CancelUnpaid(Caller(), reference), NOW)


def lose_a_seat(run: TrainRun, chance: Random) -> None:
    """Remove a seat of the first section, where it has one."""
    seats = run.sections[0]
    numbers = [number for number in range(1, seats.size + 1) if not seats.is_retired(number)]
    if numbers:
        remove_seats(run, seats.name, chance.choice(numbers))


def test_bookings_change_their_state_as_the_table_says() -> None:
    seen = Changes().union(*(states_of_a_random_run(seed) for seed in range(120)))
    assert seen == set(BOOKING_TRANSITIONS)


def states_of_a_delayed_run(seed: int) -> Changes:
    """Return the changes of state of a run that is delayed, reported and cancelled at random, until two days after it began."""
    run, chance, now, seen = a_run(), seeded_random(seed), DEPARTS_LONDON - timedelta(hours=2), Changes()
    while now < DEPARTS_LONDON + timedelta(days=2):
        before = run.schedule.state_at(now)
        report_some(run, chance, now)
        seen |= {(before, run.schedule.state_at(now))}
        before, now = run.schedule.state_at(now), now + timedelta(minutes=chance.choice((5, 20, 60)))
        seen |= {(before, run.schedule.state_at(now))}
    return {(old, new) for old, new in seen if old is not new}


def report_some(run: TrainRun, chance: Random, now: datetime) -> None:
    """Report a delay or an arrival, or cancel the run or its last leg; most of the time nothing."""
    stop, schedule = chance.randrange(len(run.stops)), run.schedule
    if schedule.is_cancelled or chance.random() > 0.3:
        return
    expected, record = schedule.expected_stops[stop], schedule.delay
    if chance.random() < 0.1:
        is_ahead = expected.depart is not None and now < expected.depart
        if is_ahead and (stop == 0 or now < schedule.depart_time) and stop <= schedule.last_stop:
            run.set_cancellation(RunCancellation(now, DisruptionReason.STAFF, from_stop=stop))
    elif chance.random() < 0.7:
        minutes = chance.choice((0, 0, 15, 130, 1_440))
        earlier = record.minutes[:stop] or (0,) * stop
        run.set_delay(replace(record, minutes=(*earlier, *[minutes] * (4 - stop)), report_time=now))
    elif stop > 0:
        arrive = now + timedelta(minutes=chance.choice((-9, 4)))
        left = [before.depart for before in run.stops[:stop] if before.depart is not None]
        if all(depart <= arrive for depart in left) and not any(arrival.stop >= stop for arrival in record.arrivals):
            run.set_delay(replace(record, arrivals=(*record.arrivals, Arrival(stop, arrive, now))))
    run.committed()


def test_runs_change_their_state_as_the_table_says() -> None:
    new = {(None, a_run().schedule.state_at(NOW))}
    seen = new.union(*(states_of_a_delayed_run(seed) for seed in range(100)))
    assert seen == set(RUN_TRANSITIONS)


def test_jobs_change_their_state_as_the_table_says() -> None:
    attempted = replace(JOB, attempts=1, lease_owner="worker/1", lease_until=NOW)
    error = RuntimeError("no answer")
    dead = after_failure(attempted, error, NOW, 0.5, job_retries(1))
    made = [
        (attempted, after_success(attempted, NOW)),
        (attempted, after_failure(attempted, error, NOW, 0.5, job_retries(2))),
        (attempted, dead),
        (attempted, after_failure(attempted, PermanentJobError("no"), NOW, 0.5, job_retries(2))),
        (attempted, after_periodic_success(attempted, NOW, 1.0)),
        (attempted, after_periodic_failure(attempted, error, NOW, 0.5, 1.0)),
        (dead, after_operator_retry(dead, NOW)),
    ]
    seen = {(before.state, after.state) for before, after in made}
    assert {(None, JOB.state), *seen} == set(JOB_TRANSITIONS)


def test_deliveries_change_their_state_as_the_table_says() -> None:
    late = NOW + timedelta(days=4)
    tried = replace(
        DELIVERY, attempts=after_delivery_attempt(DELIVERY, SendOutcome(OutcomeKind.FAILED), NOW, 0.0, WEBHOOK_RETRIES).attempts
    )
    made = [
        after_delivery_attempt(DELIVERY, SendOutcome(OutcomeKind.DELIVERED, 204), NOW, 0.0, WEBHOOK_RETRIES),
        after_delivery_attempt(DELIVERY, SendOutcome(OutcomeKind.GONE, 410), NOW, 0.0, WEBHOOK_RETRIES),
        after_delivery_attempt(DELIVERY, SendOutcome(OutcomeKind.FAILED, 503), NOW, 0.0, WEBHOOK_RETRIES),
        after_delivery_attempt(tried, SendOutcome(OutcomeKind.FAILED, 503), late, 0.0, WEBHOOK_RETRIES),
    ]
    seen = {(DeliveryState.PENDING, delivery.state) for delivery in made}
    assert {(None, DeliveryState.PENDING), *seen} == set(DELIVERY_TRANSITIONS)


class RecordedNotices:
    """Stored notices, and each change of state that a statement on them makes."""

    def __init__(self, notices: Notices, database: Database) -> None:
        self._notices, self._database = notices, database
        self.seen: Changes = set()

    def __getattr__(self, statement: str) -> Callable[..., Awaitable[object]]:
        async def recorded(*arguments: Any) -> object:
            before = await self._states()
            answer = await getattr(self._notices, statement)(*arguments)
            after = await self._states()
            self.seen |= {(before.get(found), state) for found, state in after.items() if state is not before.get(found)}
            if statement == "record":  # an attempt may leave the state as it is
                self.seen.add((before[arguments[0].notice_id], after[arguments[0].notice_id]))
            return answer

        return recorded

    async def _states(self) -> dict[str, NoticeState]:
        return {found["_id"]: NoticeState(found["state"]) async for found in self._database["notices"].find()}


async def states_of_random_notices(seed: int) -> Changes:
    """Return the changes of state of notices that are made, wanted, replaced, refused and tried again at random."""
    chance, email = seeded_random(seed), NoticeChannelName.EMAIL
    async with running_server(settings_for(), connect_in_memory()) as world:
        reference = (await world.api_client("jane").book(await world.run("A1"))).reference
        sending, store = SendingWorld(world.server.store), world.server.store
        recorded = RecordedNotices(store.notices, world.database)
        sending.parts = replace(sending.parts, notices=cast("NoticeStore", recorded))
        mail = sending.add_channel(FakeChannel())
        mail.answer = lambda message: chance.choice((ACCEPTED, BUSY, BUSY, REFUSED))
        booking = (await store.bookings.find_many([reference]))[reference]
        for number in range(40):
            due_time = sending.now + timedelta(minutes=chance.choice((0, 1, 2)))
            cause = NoticeCause(chance.choice(list(NoticeKind)), f"cause {number}", booking.revision, due_time)
            wishes = NotificationPreferences(arrival_reminders=chance.random() < 0.5)
            made = make_notices(cause, booking, booker_of(booking), (1,), wishes, [email], sending.now)
            await recorded.insert_if_absent(made)
            await sending.insert_if_absent([send_job(notice) for notice in made if not notice.is_final])
            await sending.work(minutes=chance.choice((0, 1, 600)))
        return recorded.seen


async def test_notices_change_their_state_as_the_table_says() -> None:
    seen = Changes().union(*[await states_of_random_notices(seed) for seed in range(3)])
    assert seen == set(NOTICE_TRANSITIONS)


def attempts_on(payment: Payment, kind: AttemptKind, key: str) -> dict[AttemptOutcome, Payment]:
    """Return the payment after each answer to that request that is possible."""
    after: dict[AttemptOutcome, Payment] = {}
    for outcome in AttemptOutcome:
        attempt = ProviderAttempt(kind, key, AMOUNT, outcome, "", NOW, provider_id="id")
        try:
            after[outcome] = after_attempt(payment, attempt)
        except ValueError:
            continue
    return after


def payments_in_every_state() -> dict[PaymentState, Payment]:
    authorizing = new_payment("p1", "ledger", AMOUNT, "token", NOW)
    authorized = attempts_on(authorizing, AttemptKind.AUTHORIZE, "k")[AttemptOutcome.DONE]
    return {
        PaymentState.AUTHORIZING: authorizing,
        PaymentState.AUTHORIZED: authorized,
        PaymentState.CAPTURED: attempts_on(authorized, AttemptKind.CAPTURE, "k")[AttemptOutcome.DONE],
        PaymentState.VOIDED: attempts_on(authorized, AttemptKind.VOID, "k")[AttemptOutcome.DONE],
        PaymentState.DECLINED: attempts_on(authorizing, AttemptKind.AUTHORIZE, "k")[AttemptOutcome.DECLINED],
    }


def test_payments_change_their_state_as_the_table_says() -> None:
    payments = payments_in_every_state()
    assert {state: payment.state for state, payment in payments.items()} == {state: state for state in PaymentState}
    seen = {
        (before, kind, outcome): payment.state
        for before in payments
        for kind in (AttemptKind.AUTHORIZE, AttemptKind.CAPTURE, AttemptKind.VOID)
        for outcome, payment in attempts_on(payments[before], kind, "k").items()
        if payment.state is not before
    }
    assert seen == PAYMENT_TRANSITIONS


def test_refunds_change_their_state_as_the_table_says() -> None:
    payment = with_pending_refund(payments_in_every_state()[PaymentState.CAPTURED], "r1", AMOUNT, NOW)
    (refund,) = payment.refunds
    answered = attempts_on(payment, AttemptKind.REFUND, "r1")
    done = answered[AttemptOutcome.DONE]
    late = attempts_on(done, AttemptKind.REFUND, "r1")
    seen: Changes = {(None, refund.state), *((RefundState.PENDING, after.refunds[0].state) for after in answered.values())}
    assert seen == set(REFUND_TRANSITIONS)
    assert {after.refunds[0].state for after in late.values()} == {RefundState.DONE}


def test_a_change_that_the_table_does_not_list_is_noticed() -> None:
    """The comparison above can fail: a booking that comes back to life is a change that the table lacks."""
    run = a_run()
    decide_some(run, seeded_random(1), 20)
    booking = next(booking for booking in run.bookings.values() if booking.state is BookingState.CONFIRMED)
    before = {booking.reference: replace(booking, state=BookingState.CANCELLED)}
    assert changes(before, {booking.reference: booking}) == {(BookingState.CANCELLED, BookingState.CONFIRMED)}
    assert not changes(before, {booking.reference: booking}) <= set(BOOKING_TRANSITIONS)
