"""UpdateLayout: the sections, coaches and seats of a run change while it is sold.

Belongs here: the order of a change, and its checks as a whole. Does not belong here: the operations (`layout_sections.py`), the
seats of displaced passengers (`displacement.py`), their bookings (`displaced_bookings.py`), the reservation of a plan
(`layout_reservation.py`).

The rules:
1. The command is alone in its batch. A plan is made by doing the change and undoing it: so what is planned is what is done.
   `run.undo()` also undoes what `expire_due` did before in the batch; the next decision does it again.
2. A repeated request is answered from the run's last changes, with their counts, also after the departure.
3. Passengers outside the removed seats keep their seats. Displaced ones move, wait, or get their money back, in the order of
   `displacement.py`; then the waitlist is promoted into what is free, displaced passengers first.
4. All bookings of the removed seats have to be known. A seat that is sold to somebody unknown ends the change: nobody is lost.
5. With a `plan_hash`, the change is refused unless it does what that plan says (PlanChanged has the new plan). Operations that
   the run's layout no longer allows are another plan, too: somebody else was first.
6. A layout job's change is made once on a run, in the order of the train's versions, and never over a layout of the run's own.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.events import EventType, Json
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import EarlierLayoutMissing, OwnLayoutKept
from app.domain.layout.plan import LayoutCounts, LayoutPlan, PlacementStep, PlanChanged, SectionChange
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.booking_changes import CAUSE_LAYOUT
from app.domain.rules.departures import require_running
from app.domain.rules.displaced_bookings import (
    cancel_entry,
    cancel_unit,
    entries_of_removed_sections,
    let_unit_wait,
    move_unit,
)
from app.domain.rules.displacement import DisplacedUnit, Placement, displaced_units, place_unit
from app.domain.rules.expire_due import expire_due
from app.domain.rules.holds import end_hold, forget_ended
from app.domain.rules.layout_consequences import Consequences, note_promotions
from app.domain.rules.layout_reservation import Promises, are_promises_kept, claim_seats, end_reservation
from app.domain.rules.layout_sections import SectionsChange, change_sections, removing_seats
from app.domain.rules.promote_waitlist import promote, promote_to
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.layout_record import LayoutRequest, LayoutReservation
from app.domain.run.train_run import TrainRun
from app.domain.values import value


@value(frozen=True, slots=True)
class _Done:
    """A change that was made on the run and not committed: its plan, its consequences, and the sections before and after."""

    plan: LayoutPlan
    consequences: Consequences
    sections: SectionsChange


def update_layout(run: TrainRun, command: UpdateLayout, now: datetime) -> LayoutPlan:
    """Change the layout of the run, or plan it, or plan it and reserve the seats of the plan.

    Refuses REQUEST_ID_REUSED, ETAG_STALE, RUN_CANCELLED, RUN_DEPARTED, INVALID_FIELD with the path of an operation's field,
    DISPLACED_TOO_MANY, PLAN_CHANGED, and for a layout job OwnLayoutKept and EarlierLayoutMissing; then nothing has changed.
    """
    answered = _answer_again(run, command)
    if answered is not None:
        return answered
    _require_current(run, command, now)
    try:
        done = _change(run, command, now)
        if command.plan_hash and command.plan_hash != done.plan.plan_hash:
            raise PlanChanged(done.plan)
    except Refusal:
        run.undo()
        raise
    if command.reserve_seconds:
        return _reserve(run, command, done, now)
    if command.validate_only:
        run.undo()
        return done.plan
    return _record(run, command, done, now)


# -- the request


def _answer_again(run: TrainRun, command: UpdateLayout) -> LayoutPlan | None:
    """Return the answer to a request that was done before; None for a new one. Refuses REQUEST_ID_REUSED."""
    if command.validate_only:
        return None
    for request in run.layout.requests:
        if request.request_id == command.request_id:
            if request.fingerprint != command.fingerprint:
                text = "this request_id made another change of the layout; choose a new one"
                raise Refusal(Reason.REQUEST_ID_REUSED, text)
            return _answer_of(run, request.plan_hash, request.counts)
    if command.train_version and run.layout.train_version >= command.train_version:
        return _answer_of(run, "", LayoutCounts())
    return None


def _answer_of(run: TrainRun, plan_hash: str, counts: LayoutCounts) -> LayoutPlan:
    return LayoutPlan(plan_hash=plan_hash, counts=counts, is_applied=True, layout_etag=run.layout.etag)


def _require_current(run: TrainRun, command: UpdateLayout, now: datetime) -> None:
    """Refuse a change of a layout that is not the present one, and of a run that is cancelled or has left its first stop."""
    if command.etag and command.etag != run.layout.etag:
        raise Refusal(Reason.ETAG_STALE, "the layout of the run has changed since that etag; read it again")
    require_running(run, run.journey_between(0, run.schedule.last_stop), now)
    if not command.train_version:
        return
    if run.layout.is_own:
        raise OwnLayoutKept
    if run.layout.train_version < command.layout_version_before:
        raise EarlierLayoutMissing


# -- the change


def _change(run: TrainRun, command: UpdateLayout, now: datetime) -> _Done:
    """Make the change on the run, without its record. The caller undoes it after a refusal."""
    reservation = end_reservation(run)
    if reservation is not None and (reservation.fingerprint != command.fingerprint or command.reserve_seconds):
        reservation = None
    sections = _change_sections(run, command, reservation)
    _require_known(run, sections.removed)
    run.set_sections(sections.sections)
    run.set_retired_sections(sections.retired_sections)
    units = displaced_units(run, sections.removed)
    _require_few(run, command, units)
    consequences, trace_parent = Consequences(), command.caller.trace_parent
    consequences.released_holds = _end_holds(run, sections.removed, now, trace_parent, are_removed=True)
    promises = Promises(run, reservation.places if reservation is not None else ())
    promises.keep_seats()
    for unit in units:
        _place(run, command, unit, promises, consequences, now)
    _promote(run, promises, consequences, now)
    if command.refund_displaced:
        _refund_waiting(run, promises if reservation is not None else None, consequences, now, trace_parent)
    _require_few_bookings(consequences)
    plan_hash = ""
    if reservation is not None and _are_kept(reservation, consequences):
        plan_hash = reservation.plan_hash
    return _Done(consequences.plan(run, sections.changes, plan_hash), consequences, sections)


def _change_sections(run: TrainRun, command: UpdateLayout, reservation: LayoutReservation | None) -> SectionsChange:
    """Return the new sections. Operations that the layout no longer allows are PLAN_CHANGED for who acts on a plan."""
    passenger_counts = _passenger_counts(run, removing_seats(run, command.operations))
    withdrawn = reservation.withdrawn if reservation is not None else ()
    try:
        return change_sections(run, command.operations, passenger_counts, withdrawn)
    except InvalidField as refusal:
        if not command.plan_hash:
            raise
        present = tuple(
            SectionChange(section.name, section.seat_count, section.seat_count, section.fare, section.fare)
            for section in run.sections
        )
        raise PlanChanged(LayoutPlan(sections=present, layout_etag=run.layout.etag), refusal.message) from None


def _passenger_counts(run: TrainRun, seats: Collection[tuple[str, int]]) -> Counter[tuple[str, int]]:
    """Count the passengers on each of these seats, on whatever legs."""
    wanted, counts = frozenset(seats), Counter[tuple[str, int]]()
    for booking in run.bookings.values():
        if booking.is_live:
            places = [(seat.section, seat.number) for passenger in booking.passengers if (seat := passenger.seat) is not None]
            counts.update(place for place in places if place in wanted)
    return counts


def _require_known(run: TrainRun, removed: Collection[tuple[str, int]]) -> None:
    """Refuse INTERNAL where a removed seat is sold on a leg, and neither a booking in memory nor a hold has it."""
    known = dict.fromkeys(removed, 0)
    for booking in run.bookings.values():
        for passenger in booking.passengers if booking.is_live else ():
            if passenger.seat is not None and (passenger.seat.section, passenger.seat.number) in known:
                known[passenger.seat.section, passenger.seat.number] |= booking.journey.legs
    for hold in run.holds.values():
        for seat in hold.seats:
            if (seat.section, seat.number) in known:
                known[seat.section, seat.number] |= hold.legs
    sections = {section.name: section for section in run.sections}
    for (name, number), legs in sorted(known.items()):
        if sections[name].sold_legs[number - 1] != legs:
            raise Refusal(Reason.INTERNAL, f"seat {name}-{number} is sold to somebody whose booking was not found")


def _require_few(run: TrainRun, command: UpdateLayout, units: list[DisplacedUnit]) -> None:
    """Refuse DISPLACED_TOO_MANY. Waitlisted passengers whom the change may refund count as displaced."""
    count = sum(len(unit.passengers) for unit in units)
    if command.refund_displaced:
        count += sum(entry.count for entry in entries_of_removed_sections(run))
    most = limits.DISPLACED_PASSENGERS_MAX
    if count > most:
        text = f"displaces {count} passengers; at most {most} in one change: remove fewer seats, in several steps"
        raise Refusal(Reason.DISPLACED_TOO_MANY, text)


def _require_few_bookings(consequences: Consequences) -> None:
    """Refuse DISPLACED_TOO_MANY for more bookings than one commit takes, those that new seats promote included."""
    count, most = consequences.booking_count(), limits.LAYOUT_BOOKINGS_MAX
    if count > most:
        text = f"changes {count} bookings, of displaced or promoted passengers; at most {most} in one change"
        raise Refusal(Reason.DISPLACED_TOO_MANY, f"{text}: add or remove fewer seats, in several steps")


def _end_holds(
    run: TrainRun, removed: Collection[tuple[str, int]], now: datetime, trace_parent: str, *, are_removed: bool
) -> int:
    """End the holds that have one of the seats to remove, and return how many. Releases no seat that is removed already."""
    ended = [hold for hold in run.holds.values() if any((seat.section, seat.number) in removed for seat in hold.seats)]
    for hold in sorted(ended, key=lambda hold: (hold.expire_time, hold.key)):
        gone = removed if are_removed else ()
        end_hold(run, hold, EventType.HOLD_RELEASED, now, trace_parent, cause=CAUSE_LAYOUT, gone=gone)
    if ended:
        forget_ended(run, now)
    return len(ended)


def _place(
    run: TrainRun, command: UpdateLayout, unit: DisplacedUnit, promises: Promises, consequences: Consequences, now: datetime
) -> None:
    """Move a unit, let it wait, or cancel it."""
    trace_parent = command.caller.trace_parent
    placement = _placement(run, command, unit, promises)
    if placement is not None:
        consequences.note_moves(*move_unit(run, unit, placement, now, trace_parent))
    elif command.refund_displaced or now >= waitlist_closing_time(run):
        consequences.note_cancellation(cancel_unit(run, unit, now, trace_parent))
    else:
        consequences.note_wait(let_unit_wait(run, unit, now, trace_parent))


def _placement(run: TrainRun, command: UpdateLayout, unit: DisplacedUnit, promises: Promises) -> Placement | None:
    """Return the promised seats of a unit, or the best others. Those of a lower section only where no better ones are free."""
    promised = promises.take_placement(unit)
    if promised is not None and promised.step is not PlacementStep.LOWER:
        return promised
    found = place_unit(run.sections, unit.demand, allow_lower=command.allow_lower and promised is None)
    return found or promised


def _promote(run: TrainRun, promises: Promises, consequences: Consequences, now: datetime) -> None:
    """Promote the waitlist: first as promised, then all for whom there are seats."""
    waitlisted = {reference: run.bookings[reference] for reference in run.waitlist_index.references}
    event_count = len(run.change_set.events)
    for promotion in promises.take_promotions() if now < waitlist_closing_time(run) else ():
        promote_to(run, run.waitlist[promotion.ticket_number], promotion.seats, now)
    promises.release_rest()
    promote(run, now)
    events = run.change_set.events[event_count:]
    promoted = [event.subject for event in events if event.event_type is EventType.BOOKING_PROMOTED]
    note_promotions(consequences, run, waitlisted, promoted)


def _refund_waiting(
    run: TrainRun, promises: Promises | None, consequences: Consequences, now: datetime, trace_parent: str
) -> None:
    """Cancel the bookings that wait for a section which is gone; with promises, only those whom a plan has promised it."""
    for entry in entries_of_removed_sections(run):
        if promises is None or promises.promises_refund(run.bookings[entry.reference]):
            consequences.note_cancellation(cancel_entry(run, entry, now, trace_parent))


def _are_kept(reservation: LayoutReservation, done: Consequences) -> bool:
    return are_promises_kept(reservation.places, done.moves, done.waitlisted, done.refunds)


# -- the end of the command


def _reserve(run: TrainRun, command: UpdateLayout, done: _Done, now: datetime) -> LayoutPlan:
    """Undo the change, and reserve the seats of its plan."""
    run.undo()
    expire_due(run, now)
    end_reservation(run)
    removed = done.sections.removed
    _end_holds(run, removed, now, command.caller.trace_parent, are_removed=False)
    places = tuple(done.consequences.promises)
    expire_time = now + timedelta(seconds=command.reserve_seconds)
    claims = claim_seats(run, removed, places)
    plan_hash, fingerprint = done.plan.plan_hash, command.fingerprint
    run.set_layout_reservation(LayoutReservation(plan_hash, fingerprint, expire_time, removed, places, claims))
    promote(run, now)
    return replace(done.plan, reserve_expire_time=expire_time)


def _record(run: TrainRun, command: UpdateLayout, done: _Done, now: datetime) -> LayoutPlan:
    """Record the change on the run, and emit its event."""
    layout, plan = run.layout, done.plan
    request = LayoutRequest(command.request_id, command.fingerprint, plan.plan_hash, now, plan.counts)
    record = replace(
        layout,
        revision=layout.revision + 1,
        train_version=command.train_version or layout.train_version,
        is_own=not command.train_version,  # a layout job never comes to a layout of the run's own
        earlier_fares=done.sections.earlier_fares,
        requests=(*layout.requests, request)[-limits.LAYOUT_REQUESTS_MAX :],
    )
    run.set_layout(record)
    run.emit(EventType.LAYOUT_CHANGED, run.run_id, _event_data(run, plan), now, command.caller.trace_parent)
    return replace(plan, is_applied=True, layout_etag=record.etag)


def _event_data(run: TrainRun, plan: LayoutPlan) -> dict[str, Json]:
    counts = plan.counts
    return {
        "layout_revision": run.layout.revision,
        "plan_hash": plan.plan_hash,
        "moved_passengers": counts.moved_passengers,
        "waitlisted_passengers": counts.waitlisted_passengers,
        "cancelled_passengers": counts.cancelled_passengers,
        "refunded_minor": counts.refunded_minor,
        "currency": run.sections[0].fare.currency,
        "promoted_bookings": counts.promoted_bookings,
        "released_holds": counts.released_holds,
    }
