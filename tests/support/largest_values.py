"""Values at all limits at once: the largest trains, bookings and deliveries that the service can hold.

Belongs here: domain values with the largest possible answers. Does not belong here: assertions.

A character of a text may take four bytes; times and numbers have their greatest length.
"""

from datetime import UTC, date, datetime, time

from app.domain import limits
from app.domain.booking import Booking, BookingState, Passenger, RefundDue, RefundReason, Seat
from app.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState, OutcomeKind
from app.domain.disruption import DisruptionReason
from app.domain.jobs import ERROR_LENGTH_MAX, Job, JobState
from app.domain.money import Money
from app.domain.payments import (
    ATTEMPTS_KEPT_MAX,
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    Refund,
    RefundState,
)
from app.domain.people import Person
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.new_run import make_run
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.terms import SalesTerms
from app.domain.timetable import Call, Journey, TimetableStop
from app.domain.train import Coach, Section, Train, check_train
from app.usecases.bookings import BookingView

LETTER = "\U0001f682"  # four bytes in UTF-8
NAME = LETTER * limits.NAME_LENGTH_MAX
EMAIL = LETTER * limits.EMAIL_LENGTH_MAX
NOW = datetime(2199, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
SECTIONS = [letter * limits.SHORT_NAME_LENGTH_MAX for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
LONGEST_ZONE = "America/Argentina/ComodRivadavia"
FARE = Money(limits.FARE_MINOR_MAX, "USD")
EVIDENCE = LETTER * limits.EVIDENCE_LENGTH_MAX
WINDOW = SalesWindow(open_days_before=limits.SALES_OPEN_DAYS_BEFORE_MAX, open_at=time(23, 59), closes_minutes_before=43_199)
# Each passenger moves down through all sections, and is then cancelled.
REFUNDS = limits.PASSENGERS_PER_BOOKING_MAX * limits.SECTIONS_PER_TRAIN_MAX
DELIVERY_ATTEMPTS = 18
DETAIL_LENGTH_MAX = 300


def largest_stop(number: int, count: int) -> TimetableStop:
    """Build a stop with a name and a code of full length."""
    call = Call(time(number * 20 // 60 % 24, number * 20 % 60))
    return TimetableStop(
        name=f"{NAME[:-3]}{number:03}",
        code=f"{LETTER * (limits.STOP_CODE_LENGTH_MAX - 3)}{number:03}",
        time_zone=LONGEST_ZONE,
        arrive=call if number else None,
        depart=call if number < count - 1 else None,
    )


def largest_train(stops: int = limits.STOPS_PER_TRAIN_MAX) -> Train:
    """Build a train of 60 stops, 26 sections with a sales window each, 60 coaches and 5,000 seats."""
    seats = limits.SEATS_PER_TRAIN_MAX // limits.COACHES_PER_TRAIN_MAX
    train = Train(
        train_id="z" * limits.TRAIN_ID_LENGTH_MAX,
        number=LETTER * limits.TRAIN_NUMBER_LENGTH_MAX,
        stops=tuple(largest_stop(number, stops) for number in range(stops)),
        sections=tuple(Section(name, FARE) for name in SECTIONS),
        coaches=tuple(
            Coach(f"C{number:0{limits.SHORT_NAME_LENGTH_MAX - 1}}", SECTIONS[number % len(SECTIONS)], seats)
            for number in range(limits.COACHES_PER_TRAIN_MAX)
        ),
        terms=SalesTerms(sales_window=WINDOW, section_windows=tuple((name, WINDOW) for name in SECTIONS)),
        schedule_horizon_days=limits.SCHEDULE_HORIZON_DAYS_MAX,
        departure_reminder_minutes=limits.DEPARTURE_REMINDER_MINUTES_MAX,
    )
    check_train(train)
    return train


def largest_run() -> TrainRun:
    """Build a run of that train that is late at each stop, ends early, and has windows of its own for all sections.

    It is unsold: sold seats do not make an answer larger.
    """
    run = make_run(largest_train(), date(2199, 12, 24))
    minutes = (limits.DELAY_MINUTES_MAX,) * len(run.stops)
    arrivals = tuple(Arrival(stop, NOW, NOW) for stop in range(1, len(run.stops)))
    run.set_delay(DelayRecord(minutes, DisruptionReason.ORDINARY_WEATHER, EVIDENCE, NOW, arrivals))
    count = limits.SEATS_PER_TRAIN_MAX
    reason, refunded_minor = DisruptionReason.ORDINARY_WEATHER, count * FARE.minor
    run.set_cancellation(RunCancellation(NOW, reason, EVIDENCE, 1, "ZZZZZZZZ", NOW, count, count, refunded_minor))
    run.set_sales_windows(tuple((name, WINDOW) for name in ("", *SECTIONS)))
    return run


def largest_booking() -> BookingView:
    """Build a booking of nine passengers with all possible moves, and a payment with all attempts that are kept."""
    person = Person(NAME, NAME, EMAIL)
    seat = Seat(SECTIONS[-1], f"C{1:07}", limits.SEAT_NUMBERS_PER_RUN_MAX)
    numbers = range(1, limits.PASSENGERS_PER_BOOKING_MAX + 1)
    nine = tuple(Passenger(person, number, EMAIL, EMAIL, seat, FARE.minor) for number in numbers)
    journey = Journey("z" * 32, "2199-12-24", LETTER * 32, NAME, NAME, 1, NOW, NOW)
    booking = Booking(
        reference="ZZZZZZZZ",
        request_id="x" * limits.REQUEST_ID_LENGTH_MAX,
        fingerprint="",
        state=BookingState.CONFIRMED,
        user=person,
        user_key=EMAIL,
        passengers=nine,
        cancelled_passengers=nine,
        journey=journey,
        currency="USD",
        create_time=NOW,
        update_time=NOW,
        revision=2**31,
        payment_id="x" * 100,
        charged_minor=FARE.minor * 9,
        refunds=tuple(RefundDue(f"{number:064}", FARE.minor, NOW, RefundReason.FARE_DIFFERENCE) for number in range(REFUNDS)),
    )
    return BookingView(booking, waitlist_position=limits.WAITLIST_MAX, payment=largest_payment())


def largest_payment() -> Payment:
    """Build a payment with all attempts that are kept, for itself and for each refund."""
    amount = Money(FARE.minor * 9, "USD")
    attempts = (ProviderAttempt(AttemptKind.REFUND, "x" * 100, amount, AttemptOutcome.FAILED, "", NOW),) * ATTEMPTS_KEPT_MAX
    refunds = tuple(Refund(f"{number:064}", amount, RefundState.PENDING, NOW, attempts=attempts) for number in range(REFUNDS))
    return Payment("x" * 100, "stripe", amount, "", PaymentState.CAPTURED, NOW, NOW, "", amount.minor, attempts, refunds)


def largest_delivery() -> Delivery:
    """Build a delivery with all possible attempts, each with a detail of full length."""
    attempt = DeliveryAttempt(NOW, OutcomeKind.FAILED, 599, LETTER * DETAIL_LENGTH_MAX)
    name = f"{'z' * 32}:2199-12-24:{2**31}:{2**31}"
    return Delivery(
        delivery_id=f"{name}:{'f' * 16}",
        event_id=name,
        receiver_id="f" * 16,
        event_type="booking.passengers_cancelled",
        event_time=NOW,
        state=DeliveryState.PENDING,
        attempts=(attempt,) * DELIVERY_ATTEMPTS,
        next_attempt_time=NOW,
    )


def largest_job() -> Job:
    """Build a job with names and an error of full length."""
    return Job(
        "~" * 300, "~" * 300, {}, NOW, NOW, JobState.DEAD, 2**31 - 1, last_error=LETTER * ERROR_LENGTH_MAX, done_time=NOW
    )
