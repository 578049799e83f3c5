"""Rules of layouts that are broken on purpose, to prove that the simulation notices.

Belongs here: context managers that each replace a part of a layout change by a faulty one. Does not belong here: other rules
(`breakages.py`), or looking for the violations (`test_breakages.py`).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain.booking import Booking, RefundReason
from app.domain.events import EventType
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import LayoutJob
from app.domain.layout.plan import LayoutPlan
from app.domain.rules import displaced_bookings, expire_due, update_layout
from app.domain.rules.booking_changes import record_change
from app.domain.rules.displacement import DisplacedUnit, displaced_units, place_unit
from app.domain.rules.layout_reservation import claim_seats
from app.domain.rules.promote_waitlist import promote
from app.domain.rules.section_draft import SectionDraft
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistEntry
from app.usecases.layout_fan_out import LayoutFanOut
from tests.simulation.broken import broken, broken_attribute, broken_rule

Breakage = Callable[[], AbstractContextManager[Any]]


@contextmanager
def seat_numbers_are_used_again() -> Iterator[None]:
    seats = SectionDraft.seats

    def without_retired_end(draft: SectionDraft) -> SectionSeats:
        section = seats(draft)
        last = max((number for number in range(1, section.size + 1) if number not in section.retired), default=0)
        coaches = tuple(replace(coach, last=min(coach.last, last)) for coach in section.coaches if coach.first <= last)
        retired = frozenset(number for number in section.retired if number <= last)
        return replace(section, coaches=coaches, sold_legs=section.sold_legs[:last], retired=retired)

    with broken(SectionDraft, "seats", without_retired_end):
        yield


@contextmanager
def retired_seats_are_sold() -> Iterator[None]:
    seats = SectionDraft.seats

    def with_free_seats(draft: SectionDraft) -> SectionSeats:
        section = seats(draft)
        for number in section.retired:
            section.sold_legs[number - 1] = 0
        return section

    with broken(SectionDraft, "seats", with_free_seats):
        yield


def holds_on_removed_seats_stay() -> AbstractContextManager[Any]:
    return broken(update_layout, "_end_holds", lambda *asked, **options: 0)


@contextmanager
def others_in_the_section_move_too() -> Iterator[None]:
    def units_of_section(run: TrainRun, removed: Any) -> list[DisplacedUnit]:
        names = {section for section, _ in removed}
        others = [
            (passenger.seat, booking.journey.legs)
            for booking in run.bookings.values()
            for passenger in booking.passengers
            if booking.is_live and passenger.seat is not None and passenger.seat.section in names
        ]
        kept = [(seat, legs) for seat, legs in others if (seat.section, seat.number) not in removed]
        live = {section.name for section in run.sections}
        kept = [(seat, legs) for seat, legs in kept if seat.section in live]
        units = displaced_units(run, {*removed, *((seat.section, seat.number) for seat, _ in kept)})
        for seat, legs in kept:
            run.release(seat, legs)
        return units

    with broken(update_layout, "displaced_units", units_of_section):
        yield


def smaller_units_are_placed_first() -> AbstractContextManager[Any]:
    return broken(update_layout, "displaced_units", lambda run, removed: displaced_units(run, removed)[::-1])


def displaced_passengers_wait_although_seats_are_free() -> AbstractContextManager[Any]:
    return broken(update_layout, "place_unit", lambda *asked, **options: None)


def lower_sections_are_always_allowed() -> AbstractContextManager[Any]:
    def place(sections: Any, demand: Any, *, allow_lower: bool) -> Any:
        return place_unit(sections, demand, allow_lower=True)

    return broken(update_layout, "place_unit", place)


def displaced_passengers_get_nothing_back() -> AbstractContextManager[Any]:
    def without_refund(booking: Booking, minor: int, now: datetime, reason: RefundReason) -> Booking:
        return booking

    return broken(displaced_bookings, "with_refund_due", without_refund)


def displaced_passengers_join_the_end_of_the_waitlist() -> AbstractContextManager[Any]:
    def join(run: TrainRun, reference: str, section: str, legs: int, count: int, fare_minor_min: int) -> WaitlistEntry:
        return run.join_waitlist(reference, section, legs, count)

    return broken(TrainRun, "join_waitlist_front", join)


def new_seats_are_not_for_the_waitlist() -> AbstractContextManager[Any]:
    return broken(update_layout, "promote", lambda run, now: None)


@contextmanager
def fare_changes_reach_bookings() -> Iterator[None]:
    def promote_at_new_fares(run: TrainRun, now: datetime) -> None:
        promote(run, now)
        fares = {section.name: section.fare.minor for section in run.sections}
        for booking in list(run.bookings.values()):
            passengers = tuple(
                replace(passenger, fare_minor=fares.get(passenger.seat.section, 0)) if passenger.seat else passenger
                for passenger in booking.passengers
            )
            if booking.is_live and passengers != booking.passengers:
                record_change(run, replace(booking, passengers=passengers), EventType.BOOKING_CHANGED, now)

    with broken(update_layout, "promote", promote_at_new_fares):
        yield


def the_hash_of_a_plan_is_ignored() -> AbstractContextManager[Any]:
    def without_hash(run: TrainRun, command: UpdateLayout, now: datetime, others: Any) -> LayoutPlan:
        return update_layout.update_layout(run, replace(command, plan_hash=""), now)

    return broken_rule(UpdateLayout, without_hash)


def reserved_seats_stay_on_sale() -> AbstractContextManager[Any]:
    return broken(update_layout, "claim_seats", lambda run, withdrawn, places: ())


def reservations_do_not_expire() -> AbstractContextManager[Any]:
    return broken(expire_due, "expire_reservation", lambda run, now: False)


def promised_seats_stay_on_sale() -> AbstractContextManager[Any]:
    return broken(update_layout, "claim_seats", lambda run, withdrawn, places: claim_seats(run, withdrawn, ()))


@contextmanager
def withdrawn_seats_that_come_free_are_sold() -> Iterator[None]:
    release = TrainRun.release

    def release_for_sale(run: TrainRun, seat: Any, legs: int) -> None:
        reservation, run.layout_reservation = run.layout_reservation, None
        release(run, seat, legs)
        run.layout_reservation = reservation

    with broken(TrainRun, "release", release_for_sale):
        yield


def a_repeated_change_is_made_again() -> AbstractContextManager[Any]:
    return broken(update_layout, "_answer_again", lambda run, command: None)


def layout_changes_do_not_know_who_sits_there() -> AbstractContextManager[Any]:
    return broken_attribute(UpdateLayout, "is_alone", value=False)


def changes_of_trains_overwrite_own_layouts() -> AbstractContextManager[Any]:
    return broken(update_layout, "_require_current", lambda run, command, now: None)


@contextmanager
def layout_jobs_are_complete_before_their_runs() -> Iterator[None]:
    async def start_without_jobs(fan_out: LayoutFanOut, layout_job: LayoutJob) -> int:
        await fan_out._layout_jobs.insert_if_absent(layout_job)
        await fan_out._layout_jobs.add_dates(layout_job.layout_job_id, [])
        await fan_out._layout_jobs.complete(layout_job.layout_job_id, layout_job.create_time)
        return 0

    with broken(LayoutFanOut, "start", start_without_jobs):
        yield


LAYOUT_BREAKAGES: tuple[Breakage, ...] = (
    seat_numbers_are_used_again,
    retired_seats_are_sold,
    holds_on_removed_seats_stay,
    others_in_the_section_move_too,
    smaller_units_are_placed_first,
    displaced_passengers_wait_although_seats_are_free,
    lower_sections_are_always_allowed,
    displaced_passengers_get_nothing_back,
    displaced_passengers_join_the_end_of_the_waitlist,
    new_seats_are_not_for_the_waitlist,
    fare_changes_reach_bookings,
    the_hash_of_a_plan_is_ignored,
    reserved_seats_stay_on_sale,
    reservations_do_not_expire,
    promised_seats_stay_on_sale,
    withdrawn_seats_that_come_free_are_sold,
    a_repeated_change_is_made_again,
    layout_changes_do_not_know_who_sits_there,
    changes_of_trains_overwrite_own_layouts,
    layout_jobs_are_complete_before_their_runs,
)
