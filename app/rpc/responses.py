"""Responses: values of the domain to messages of the contract.

Belongs here: one function for each message. Does not: anything that decides.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money as MoneyMessage

from app.domain.booking import Booking, BookingState, Passenger, Seat
from app.domain.money import Money, minor_digits
from app.domain.payments import AttemptKind, AttemptOutcome, PaymentState, ProviderAttempt, Refund, RefundState
from app.domain.people import Person
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.hold import Hold, hold_id
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Call, Journey, RunState, TimetableStop
from app.domain.train import StoredTrain
from app.pb.seatline.v1 import booking_pb2, hold_pb2, passenger_pb2, payment_pb2, seat_pb2, train_pb2, train_run_pb2, user_pb2
from app.usecases.bookings import BookingView, CancellationView
from app.usecases.train_runs import RunView

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Departures, arrivals, fares, and the moments of a batch: a few hundred are in use at a time.
_SHARED_MAX = 4_096
_BOOKING_STATES = {
    BookingState.CONFIRMED: booking_pb2.BOOKING_STATE_CONFIRMED,
    BookingState.CANCELLED: booking_pb2.BOOKING_STATE_CANCELLED,
    BookingState.WAITLISTED: booking_pb2.BOOKING_STATE_WAITLISTED,
    BookingState.EXPIRED: booking_pb2.BOOKING_STATE_EXPIRED,
}
_PAYMENT_STATES = {
    PaymentState.AUTHORIZING: payment_pb2.PAYMENT_STATE_AUTHORIZED,
    PaymentState.AUTHORIZED: payment_pb2.PAYMENT_STATE_AUTHORIZED,
    PaymentState.CAPTURED: payment_pb2.PAYMENT_STATE_CAPTURED,
    PaymentState.VOIDED: payment_pb2.PAYMENT_STATE_VOIDED,
    PaymentState.DECLINED: payment_pb2.PAYMENT_STATE_DECLINED,
}
_ATTEMPT_KINDS = {
    AttemptKind.AUTHORIZE: payment_pb2.PAYMENT_ATTEMPT_KIND_AUTHORIZE,
    AttemptKind.CAPTURE: payment_pb2.PAYMENT_ATTEMPT_KIND_CAPTURE,
    AttemptKind.VOID: payment_pb2.PAYMENT_ATTEMPT_KIND_VOID,
    AttemptKind.REFUND: payment_pb2.PAYMENT_ATTEMPT_KIND_REFUND,
}
_ATTEMPT_OUTCOMES = {
    AttemptOutcome.DONE: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_DONE,
    AttemptOutcome.DECLINED: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_DECLINED,
    AttemptOutcome.FAILED: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_FAILED,
    AttemptOutcome.REJECTED: payment_pb2.PAYMENT_ATTEMPT_OUTCOME_REJECTED,
}
_RUN_STATES = {
    RunState.SCHEDULED: train_run_pb2.RUN_STATE_SCHEDULED,
    RunState.DEPARTED: train_run_pb2.RUN_STATE_DEPARTED,
    RunState.COMPLETED: train_run_pb2.RUN_STATE_COMPLETED,
}


_parse_booking = booking_pb2.Booking.FromString


# Messages are copied into the one they become part of, so that one value may serve many answers.
@lru_cache(maxsize=_SHARED_MAX)
def timestamp(moment: datetime) -> Timestamp:
    """An instant. The value is shared: not to be changed."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


@lru_cache(maxsize=_SHARED_MAX)
def money(amount: Money) -> MoneyMessage:
    """An amount. The value is shared: not to be changed."""
    scale = 10 ** minor_digits(amount.currency)
    whole, part = divmod(amount.minor, scale)
    return MoneyMessage(currency_code=amount.currency, units=whole, nanos=part * (10**9 // scale))


def user(person: Person) -> user_pb2.User:
    """A person as known to the service."""
    return user_pb2.User(first_name=person.first_name, last_name=person.last_name, email=person.email)


def seat(place: Seat) -> seat_pb2.Seat:
    """A place."""
    return seat_pb2.Seat(section=place.section, coach=place.coach, number=place.number, label=place.label)


def passenger(one: Passenger) -> passenger_pb2.Passenger:
    """Somebody who travels, with the seat."""
    message = passenger_pb2.Passenger()
    _fill_passenger(message, one)
    return message


# Filling a part of an answer in place takes half the time of making it by itself and having it copied.
def _fill_passenger(message: passenger_pb2.Passenger, one: Passenger) -> None:
    person, place = one.person, one.seat
    message.first_name = person.first_name
    message.last_name = person.last_name
    message.email = person.email
    message.number = one.number
    if place is None:
        return
    seat_part = message.seat
    seat_part.section = place.section
    seat_part.coach = place.coach
    seat_part.number = place.number
    seat_part.label = place.label


@lru_cache(maxsize=_SHARED_MAX)
def _frame(journey: Journey, state: BookingState, minor: int, currency: str, charged_minor: int) -> bytes:
    """What bookings of one journey have in common, as a serialized Booking."""
    frame = booking_pb2.Booking(
        state=_BOOKING_STATES[state],
        train_id=journey.train_id,
        travel_date=journey.travel_date,
        origin=journey.origin,
        destination=journey.destination,
        depart_time=timestamp(journey.depart),
        arrive_time=timestamp(journey.arrive),
        price=money(Money(minor, currency)),
    )
    if charged_minor:
        frame.payment.state = payment_pb2.PAYMENT_STATE_AUTHORIZED
        frame.payment.amount.CopyFrom(money(Money(charged_minor, currency)))
    return frame.SerializeToString()


@lru_cache(maxsize=_SHARED_MAX)
def _times(create_time: datetime, update_time: datetime) -> bytes:
    """What bookings that are made in one batch have in common, as a serialized Booking."""
    times = booking_pb2.Booking(create_time=timestamp(create_time), update_time=timestamp(update_time))
    return times.SerializeToString()


def booking(view: BookingView) -> booking_pb2.Booking:
    """A booking; of one that the caller does not see any more, what was the caller's own."""
    if view.own is not None:
        return _own_part(view.booking, view.own)
    value = view.booking
    price_minor = sum([one.fare_minor for one in value.passengers])
    is_paid = value.payment_id and (value.charged_minor or view.payment is not None)
    charged_minor = value.charged_minor if is_paid else 0
    frame = _frame(value.journey, value.state, price_minor, value.currency, charged_minor)
    # Messages that stand one after the other are one message; to read them takes less time than to set these fields.
    answer = _parse_booking(frame + _times(value.create_time, value.update_time))
    answer.reference = value.reference
    for one in value.passengers:
        _fill_passenger(answer.passengers.add(), one)
    for one in value.cancelled_passengers:
        _fill_passenger(answer.cancelled_passengers.add(), one)
    answer.seats_together = value.seats_together
    person, user_part = value.user, answer.user
    user_part.first_name = person.first_name
    user_part.last_name = person.last_name
    user_part.email = person.email
    answer.etag = value.etag
    if view.waitlist_position:
        answer.waitlist_position = view.waitlist_position
    if is_paid and view.payment is None:
        answer.payment.payment_id = value.payment_id
    elif is_paid:
        _fill_payment(answer.payment, view)
    if value.refunds:
        answer.refunds.extend(_refunds(view))
    return answer


def _own_part(value: Booking, own: Iterable[Passenger]) -> booking_pb2.Booking:
    """What a passenger who is off a booking is told of it: nothing of others, of money, or of what became of it since."""
    journey = value.journey
    return booking_pb2.Booking(
        reference=value.reference,
        state=booking_pb2.BOOKING_STATE_CANCELLED,
        train_id=journey.train_id,
        travel_date=journey.travel_date,
        origin=journey.origin,
        destination=journey.destination,
        depart_time=timestamp(journey.depart),
        arrive_time=timestamp(journey.arrive),
        cancelled_passengers=[passenger(one) for one in own],
    )


def _fill_payment(message: payment_pb2.Payment, view: BookingView) -> None:
    value, paid = view.booking, view.payment
    message.payment_id = value.payment_id
    message.amount.CopyFrom(money(Money(value.charged_minor, value.currency)))
    message.state = payment_pb2.PAYMENT_STATE_AUTHORIZED if paid is None else _PAYMENT_STATES[paid.state]
    if paid is not None:
        message.attempt_count = len(paid.attempts)
        message.attempts.extend(map(_attempt, paid.attempts))


def _attempt(value: ProviderAttempt) -> payment_pb2.PaymentAttempt:
    return payment_pb2.PaymentAttempt(
        kind=_ATTEMPT_KINDS[value.kind],
        outcome=_ATTEMPT_OUTCOMES[value.outcome],
        amount=money(value.amount),
        time=timestamp(value.time),
    )


def _refunds(view: BookingView) -> Iterable[payment_pb2.Refund]:
    """What is owed, and how far that has come: it is PENDING until the provider has said something final."""
    asked = {refund.refund_id: refund for refund in view.payment.refunds} if view.payment else {}
    for due in view.booking.refunds:
        refund = asked.get(due.refund_id)
        yield payment_pb2.Refund(
            refund_id=due.refund_id,
            state=_refund_state(refund),
            amount=money(Money(due.minor, view.booking.currency)),
            create_time=timestamp(due.time),
            attempt_count=len(refund.attempts) if refund else 0,
            attempts=map(_attempt, refund.attempts) if refund else (),
        )


def _refund_state(refund: Refund | None) -> payment_pb2.RefundState.ValueType:
    if refund is None:
        return payment_pb2.REFUND_STATE_PENDING
    if refund.state is RefundState.DONE:
        return payment_pb2.REFUND_STATE_DONE
    return payment_pb2.REFUND_STATE_FAILED if refund.is_refused else payment_pb2.REFUND_STATE_PENDING


def cancellation(view: CancellationView) -> booking_pb2.CancelBookingResponse:
    """What a cancellation left, or a quote of one, which says so and has the booking as it is beside it."""
    answer = booking_pb2.CancelBookingResponse(booking=booking(view.booking), refund=money(view.refund))
    if view.current is not None:
        answer.validate_only = True
        answer.current_booking.CopyFrom(booking(view.current))
    return answer


def hold(run_key: tuple[str, str], value: Hold) -> hold_pb2.Hold:
    """A hold on a run."""
    train_id, travel_date = run_key
    return hold_pb2.Hold(
        hold_id=hold_id(train_id, travel_date, value.key),
        train_id=train_id,
        travel_date=travel_date,
        seats=[seat(one) for one in value.seats],
        expire_time=timestamp(value.expire_time),
        price=money(value.price),
    )


def receipt(view: BookingView) -> booking_pb2.Receipt:
    """What was bought."""
    value = view.booking
    journey = value.journey
    answer = booking_pb2.Receipt(
        reference=value.reference,
        origin=journey.origin,
        destination=journey.destination,
        user=user(value.user),
        passengers=[passenger(one) for one in value.passengers],
        price_paid=money(value.price),
        seats=[seat(one.seat) for one in value.passengers if one.seat is not None],
        state=_BOOKING_STATES[value.state],
        train_id=journey.train_id,
        travel_date=journey.travel_date,
        depart_time=timestamp(journey.depart),
        arrive_time=timestamp(journey.arrive),
        issue_time=timestamp(value.update_time),
        train_number=journey.train_number,
        refunds=_refunds(view),
    )
    if value.payment_id and (value.charged_minor or view.payment is not None):
        _fill_payment(answer.payment, view)
    return answer


def train_run(view: RunView) -> train_run_pb2.TrainRun:
    """A run with what is free on the journey it is looked at for."""
    run = view.run
    waiting = Counter([place.section for place in run.waitlist.values()])  # "" for bookings that take any section
    return train_run_pb2.TrainRun(
        train_id=run.train_id,
        travel_date=run.travel_date,
        number=run.number,
        state=_RUN_STATES[view.state],
        stops=_run_stops(run),
        sections=[
            train_run_pb2.SectionAvailability(
                section=section.name,
                fare=money(section.fare),
                seat_count=section.size,
                free_seat_count=section.free_count(view.journey.legs),
                waiting_count=waiting[""] + waiting[section.name],
            )
            for section in run.sections
        ],
        waitlist_close_time=timestamp(waitlist_closing_time(run)),
    )


def _run_stops(run: TrainRun) -> Iterable[train_run_pb2.RunStop]:
    for stop in run.stops:
        yield train_run_pb2.RunStop(
            name=stop.name,
            code=stop.code,
            time_zone=stop.time_zone,
            arrive_time=timestamp(stop.arrive) if stop.arrive else None,
            depart_time=timestamp(stop.depart) if stop.depart else None,
        )


def seat_map(view: RunView) -> train_run_pb2.SeatMap:
    """Every seat with its state on the journey."""
    run, journey = view.run, view.journey
    answer = train_run_pb2.SeatMap(
        train_id=run.train_id, travel_date=run.travel_date, origin=journey.origin, destination=journey.destination
    )
    held = {(one.section, one.number) for kept in run.holds.values() if kept.legs & journey.legs for one in kept.seats}
    for section in run.sections:
        name, sold_legs = section.name, section.sold_legs
        for coach in section.coaches:
            for number in range(coach.first, coach.last + 1):
                entry = answer.seats.add()
                place = entry.seat  # filled in place: 5,000 seats take 5 ms so, and 12 ms made one by one and copied
                place.section, place.coach, place.number = name, coach.name, number
                place.label = f"{name}-{number}"  # as `Seat.label`
                is_held = (name, number) in held
                entry.state = train_run_pb2.SEAT_STATE_HELD if is_held else _seat_state(sold_legs[number - 1], journey.legs)
    return answer


def _seat_state(sold: int, legs: int) -> train_run_pb2.SeatState.ValueType:
    if not sold & legs:
        return train_run_pb2.SEAT_STATE_FREE
    return train_run_pb2.SEAT_STATE_SOLD if sold & legs == legs else train_run_pb2.SEAT_STATE_PARTLY_SOLD


def section_booking(row: tuple[Booking, Passenger]) -> booking_pb2.SectionBooking:
    """A passenger on a seat."""
    value, one = row
    return booking_pb2.SectionBooking(
        user=user(value.user),
        passenger=passenger(one),
        seat=seat(one.place),
        reference=value.reference,
        origin=value.journey.origin,
        destination=value.journey.destination,
        state=_BOOKING_STATES[value.state],
    )


def train(kept: StoredTrain, *, validate_only: bool = False) -> train_pb2.Train:
    """A train; version 0 is one that a dry run would make."""
    value, is_stored = kept.train, kept.version > 0
    return train_pb2.Train(
        train_id=value.train_id,
        number=value.number,
        stops=[_train_stop(stop) for stop in value.stops],
        sections=[train_pb2.Section(name=section.name, fare=money(section.fare)) for section in value.sections],
        coaches=[
            train_pb2.Coach(name=coach.name, section=coach.section, seat_count=coach.seat_count) for coach in value.coaches
        ],
        create_time=timestamp(kept.create_time) if is_stored else None,
        etag=str(kept.version) if is_stored else "",
        refund_tiers=[
            train_pb2.RefundTier(hours_before=tier.hours_before, percent=tier.percent) for tier in value.terms.refund_tiers
        ],
        waitlist_closes_before=Duration(seconds=60 * value.terms.waitlist_closes_minutes_before),
        waitlist_max=value.terms.waitlist_max,
        hold_percent_max=value.terms.hold_percent_max,
        passengers_per_booker_max=value.terms.passengers_per_booker_max,
        validate_only=validate_only,
    )


def _train_stop(stop: TimetableStop) -> train_pb2.TrainStop:
    return train_pb2.TrainStop(
        name=stop.name,
        code=stop.code,
        time_zone=stop.time_zone,
        arrive_time=_local_time(stop.arrive),
        arrive_day_offset=stop.arrive.day_offset if stop.arrive else 0,
        depart_time=_local_time(stop.depart),
        depart_day_offset=stop.depart.day_offset if stop.depart else 0,
    )


def _local_time(call: Call | None) -> str:
    return "" if call is None else f"{call.at:%H:%M}"
