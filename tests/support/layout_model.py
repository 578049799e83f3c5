"""A slow, plain model of a run's layout, to compare the real layout changes with.

Belongs here: the operations, written a second time and independently of `app/domain/rules/layout_sections.py`: one record for
each seat that ever was, and nothing else. Does not belong here: who sits where; a seat only has a number of passengers.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain import limits
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.money import Money
from app.domain.run.train_run import TrainRun

SeatKey = tuple[str, int]


class WrongOperationError(Exception):
    """An operation, or the result of all of them, is against the rules."""


@dataclass
class ModelSeat:
    """A seat that is there, or was. `is_new` where the change that is being made added it."""

    section: str
    number: int
    coach: str
    is_live: bool = True
    is_new: bool = False


@dataclass
class ModelLayout:
    """A layout with all that it ever had."""

    fares: dict[str, Money]
    seats: list[ModelSeat] = field(default_factory=list)
    sold_at: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, run: TrainRun) -> "ModelLayout":
        """Build the model of a run that never changed."""
        model = cls({section.name: section.fare for section in run.sections})
        for section in run.sections:
            for coach in section.coaches:
                model.add(section.name, coach.name, coach.last - coach.first + 1, is_new=False)
        return model

    def add(self, section: str, coach: str, count: int, *, is_new: bool = True) -> None:
        """Add seats behind all that the section ever had."""
        for _ in range(count):
            number = 1 + max((seat.number for seat in self.seats if seat.section == section), default=0)
            self.seats.append(ModelSeat(section, number, coach, is_new=is_new))

    def live(self, *, section: str = "", coach: str = "") -> list[ModelSeat]:
        """Return the seats that are there, of a section or coach."""
        return [seat for seat in self.seats if seat.is_live and section in ("", seat.section) and coach in ("", seat.coach)]

    def change(
        self, operations: Sequence[LayoutOperation], passengers: Mapping[SeatKey, int], held: set[SeatKey]
    ) -> set[SeatKey]:
        """Make the operations; return the seats that were there before and are not now. Raises WrongOperationError."""
        before = {(seat.section, seat.number) for seat in self.live()}
        totals = self._totals()
        for operation in operations:
            self._make(operation, passengers, held)
        self._require_limits(totals)
        for seat in self.seats:
            seat.is_new = False
        return before - {(seat.section, seat.number) for seat in self.live()}

    def _totals(self) -> dict[str, int]:
        live = self.live()
        return {
            "sections": len(self.fares),
            "coaches": len({seat.coach for seat in live}),
            "seats": len(live),
            "numbers": len(self.seats),
        }

    def _require_limits(self, before: Mapping[str, int]) -> None:
        most = {
            "sections": limits.SECTIONS_PER_TRAIN_MAX,
            "coaches": limits.COACHES_PER_TRAIN_MAX,
            "seats": limits.SEATS_PER_TRAIN_MAX,
            "numbers": limits.SEAT_NUMBERS_PER_RUN_MAX,
        }
        after = self._totals()
        self._require(after["seats"] > 0)
        self._require(all(after[name] <= most[name] or after[name] <= before[name] for name in most))

    def _make(self, operation: LayoutOperation, passengers: Mapping[SeatKey, int], held: set[SeatKey]) -> None:
        match operation:
            case AddSection(name, fare):
                self._require(name not in self.fares)
                self._require_fare(name, fare)
                self.fares[name] = fare
            case RemoveSection(name):
                self._require(name in self.fares)
                self._retire(self.live(section=name))
                self.sold_at.add((name, self.fares.pop(name).minor))
            case SetFare(name, fare):
                self._require(name in self.fares)
                self._require_fare(name, fare)
                self.sold_at.add((name, self.fares[name].minor))
                self.fares[name] = fare
            case AddCoach(name, section, count):
                self._require(section in self.fares and name not in {seat.coach for seat in self.seats} and 1 <= count <= 400)
                self.add(section, name, count)
            case RemoveCoach(name):
                self._require(bool(self.live(coach=name)))
                self._retire(self.live(coach=name))
            case SetSeatCount(name, count):
                self._set_seat_count(name, count, passengers, held)
            case RemoveSeats(section, numbers):
                found = [seat for seat in self.live(section=section) if seat.number in numbers]
                self._require(section in self.fares and 0 < len(found) == len(numbers))
                self._retire(found)

    def _set_seat_count(self, coach: str, count: int, passengers: Mapping[SeatKey, int], held: set[SeatKey]) -> None:
        seats = self.live(coach=coach)
        self._require(bool(seats) and 1 <= count <= 400)
        self.add(seats[0].section, coach, count - len(seats))

        def crowd(seat: ModelSeat) -> float:
            key = (seat.section, seat.number)
            return 0 if seat.is_new else passengers.get(key, 0) or (0.5 if key in held else 0)

        while len(seats) > count:
            least = min(crowd(seat) for seat in seats)
            last = [seat for seat in seats if crowd(seat) == least][-1]
            self._retire([last])
            seats.remove(last)

    def _require_fare(self, section: str, fare: Money) -> None:
        known = self.sold_at | {(name, current.minor) for name, current in self.fares.items()}
        self._require(0 <= fare.minor <= limits.FARE_MINOR_MAX)
        self._require((section, fare.minor) in known or len(known) < limits.FARES_PER_RUN_MAX)

    @staticmethod
    def _retire(seats: list[ModelSeat]) -> None:
        for seat in seats:
            seat.is_live = False

    @staticmethod
    def _require(is_right: bool) -> None:
        if not is_right:
            raise WrongOperationError


def passenger_counts(run: TrainRun) -> Counter[SeatKey]:
    """Count the passengers of each seat over all live bookings of a run."""
    return Counter(
        (passenger.seat.section, passenger.seat.number)
        for booking in run.bookings.values()
        if booking.is_live
        for passenger in booking.passengers
        if passenger.seat is not None
    )


def held_seats(run: TrainRun) -> set[SeatKey]:
    """Return the seats that are on hold."""
    return {(seat.section, seat.number) for held in run.holds.values() for seat in held.seats}
