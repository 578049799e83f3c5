"""The reservation of a layout plan: its seats are kept, so that the plan stays true while selling goes on.

Belongs here: making, ending and expiring a reservation, and what a later change makes of its promises. Does not belong here:
the value (`app/domain/run/layout_record.py`), planning (`update_layout.py`).

The rules:
1. A reservation takes seats off sale by claims: all free legs of the seats that the plan removes, and the legs of each seat
   that it gives to somebody. Claimed legs count as sold, so all rules of selling hold as they are. A seat that the change will
   add needs no claim: nobody can buy it yet.
2. Holds on the removed seats end when the reservation is made, with an event. Otherwise a buyer could turn a hold into a
   booking that is displaced at once, and that the plan does not have. So nobody new has a removed seat while the reservation
   lives.
3. Legs of a removed seat that come free meanwhile, by whatever cause, join the claims (`TrainRun.release`).
4. A run has one reservation. A later one ends it, and so does any change of the layout. It expires by itself, judged against
   `now` before each decision; then its seats go to the waitlist first.
5. A change with the same operations keeps the promises of a live reservation. The plan stays true, with its hash, as long as
   nothing happens to anybody that it did not promise, except for the better: passengers may have cancelled or changed seats
   meanwhile; who was to wait may get a seat that came free; others may be promoted too. Who joined the waitlist since is not
   part of the plan.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.booking import Booking
from app.domain.layout.plan import (
    DisplacedWait,
    LayoutRefund,
    PlacementStep,
    PlannedOutcome,
    RefundCause,
    SeatMove,
)
from app.domain.rules.displacement import DisplacedUnit, Placement
from app.domain.run.layout_record import LayoutReservation, ReservedPlace
from app.domain.run.train_run import TrainRun
from app.domain.values import value

# The seat of a plan: index of the section, and number.
_Seat = tuple[int, int]

_WITHOUT_SEAT = (PlannedOutcome.WAITLISTED, PlannedOutcome.CANCELLED)


def claim_seats(
    run: TrainRun, withdrawn: Collection[tuple[str, int]], places: Iterable[ReservedPlace]
) -> tuple[tuple[str, int, int], ...]:
    """Take off sale the free legs of the withdrawn seats, and the legs of the promised seats that exist. Return the claims."""
    claims = []
    for name, number in sorted(withdrawn):
        index = run.section_index(name)
        free = run.sections[index].all_legs & ~run.sections[index].sold_legs[number - 1]
        if free:
            run.sell(index, number, free)
            claims.append((name, number, free))
    for place in places:
        found = _free_seat(run, place)
        if found is not None:
            seat, legs = found
            run.sell(*seat, legs)
            claims.append((place.section, place.number, legs))
    return tuple(claims)


def end_reservation(run: TrainRun) -> LayoutReservation | None:
    """End the reservation, put its seats back on sale, and return it. Return None for a run without one. Does not promote."""
    reservation = run.layout_reservation
    if reservation is None:
        return None
    run.set_layout_reservation(None)
    for name, number, legs in reservation.claims:
        run.release(run.seat(run.section_index(name), number), legs)
    return reservation


def expire_reservation(run: TrainRun, now: datetime) -> bool:
    """End the reservation once it has expired, and return whether it has. Does not promote the waitlist."""
    reservation = run.layout_reservation
    if reservation is None or reservation.expire_time > now:
        return False
    end_reservation(run)
    return True


# -- keeping the promises


@value(frozen=True, slots=True)
class PromisedPromotion:
    """A promotion that a plan promised: the ticket number, and the seats in the order of the waiting passengers."""

    ticket_number: int
    seats: tuple[_Seat, ...]


@dataclass(slots=True)
class Promises:
    """The promises of a reservation, while the change that it was made for is carried out on `run`, with the new sections.

    From `keep_seats` on, the promised seats of those who still need them are sold, until they are taken.
    """

    run: TrainRun
    places: Sequence[ReservedPlace] = ()
    _kept: dict[tuple[str, int], tuple[_Seat, int]] = field(init=False, default_factory=dict)
    _outcomes: dict[tuple[str, int], PlannedOutcome] = field(init=False)

    def __post_init__(self) -> None:
        self._outcomes = {(place.reference, place.passenger_number): place.outcome for place in self.places}

    def keep_seats(self) -> None:
        """Keep the promised seats from all but those to whom they are promised. Seats that are not free are left out."""
        for place in self.places:
            found = _free_seat(self.run, place) if _needs_seat(self.run, place) else None
            if found is not None:
                seat, legs = found
                self.run.sell(*seat, legs)
                self._kept[place.reference, place.passenger_number] = found

    def take_placement(self, unit: DisplacedUnit) -> Placement | None:
        """Free the seats that were kept for a unit, and return them; None unless all of its passengers had one."""
        seats = self._take(unit.booking, [passenger.number for passenger in unit.passengers])
        if seats is None:
            return None
        first = self._outcomes[unit.booking.reference, unit.passengers[0].number]
        return Placement(seats, PlacementStep(first.value))

    def take_promotions(self) -> Iterable[PromisedPromotion]:
        """Yield the promised promotions of bookings that still wait, in the planned order. Frees the seats of each."""
        references = dict.fromkeys(place.reference for place in self.places if place.outcome is PlannedOutcome.PROMOTED)
        for reference in references:
            booking = self.run.bookings.get(reference)
            if booking is None or booking.ticket_number not in self.run.waitlist:
                continue
            waiting = [passenger.number for passenger in booking.passengers if passenger.seat is None]
            seats = self._take(booking, waiting)
            if seats is not None:
                yield PromisedPromotion(booking.ticket_number, seats)

    def release_rest(self) -> None:
        """Put the seats back on sale that were kept and not needed."""
        for seat, legs in self._kept.values():
            self.run.release(self.run.seat(*seat), legs)
        self._kept.clear()

    def promises_refund(self, booking: Booking) -> bool:
        """Whether a passenger of the booking was promised the money back."""
        return any(
            self._outcomes.get((booking.reference, passenger.number)) is PlannedOutcome.CANCELLED
            for passenger in booking.passengers
        )

    def _take(self, booking: Booking, numbers: Iterable[int]) -> tuple[_Seat, ...] | None:
        kept = [self._kept.pop((booking.reference, number), None) for number in numbers]
        for found in kept:
            if found is not None:
                seat, legs = found
                self.run.release(self.run.seat(*seat), legs)
        seats = [found[0] for found in kept if found is not None]
        return tuple(seats) if len(seats) == len(kept) else None


def are_promises_kept(
    places: Iterable[ReservedPlace],
    moves: Iterable[SeatMove],
    waitlisted: Iterable[DisplacedWait],
    refunds: Iterable[LayoutRefund],
) -> bool:
    """Whether a change does to each passenger what the plan promised, or something better."""
    promised = {(place.reference, place.passenger_number): place for place in places}
    waiting = [(wait.reference, number) for wait in waitlisted for number in wait.passenger_numbers]
    cancelled = [
        (refund.reference, number)
        for refund in refunds
        if refund.cause is RefundCause.CANCELLED
        for number in refund.passenger_numbers
    ]
    return (
        all(_is_kept(promised.get((move.reference, move.passenger_number)), move) for move in moves)
        and _have_outcome(promised, waiting, PlannedOutcome.WAITLISTED)
        and _have_outcome(promised, cancelled, PlannedOutcome.CANCELLED)
    )


def _is_kept(place: ReservedPlace | None, move: SeatMove) -> bool:
    """Whether a move is the promised one, or one of the better steps in place of a lower section or of no seat."""
    if place is None:
        return False
    if (place.section, place.number) == (move.after.section, move.after.number):
        return True
    if place.outcome in _WITHOUT_SEAT:
        return True
    return place.outcome is PlannedOutcome.LOWER and move.step is not PlacementStep.LOWER


def _have_outcome(
    promised: dict[tuple[str, int], ReservedPlace], passengers: Iterable[tuple[str, int]], outcome: PlannedOutcome
) -> bool:
    return all(key in promised and promised[key].outcome is outcome for key in passengers)


def _free_seat(run: TrainRun, place: ReservedPlace) -> tuple[_Seat, int] | None:
    """Return a promised seat and the legs of its booking's journey, None where the run has no such seat free on them."""
    booking = run.bookings.get(place.reference)
    if booking is None or place.outcome in _WITHOUT_SEAT:
        return None
    legs = booking.journey.legs
    for index, section in enumerate(run.sections):
        if section.name == place.section and place.number <= section.size and section.is_free(place.number, legs):
            return (index, place.number), legs
    return None


def _needs_seat(run: TrainRun, place: ReservedPlace) -> bool:
    """Whether the passenger still travels, and has no seat or one that was removed."""
    booking = run.bookings.get(place.reference)
    if booking is None or not booking.is_live:
        return False
    sections = {section.name: section for section in run.sections}
    for passenger in booking.passengers:
        if passenger.number == place.passenger_number:
            seat = passenger.seat
            return seat is None or seat.section not in sections or sections[seat.section].is_retired(seat.number)
    return False
