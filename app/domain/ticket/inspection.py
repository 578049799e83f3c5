"""Inspection lists: the tickets of a run at one moment, for checking them without a connection.

Belongs here: the list, and its bytes. Does not belong here: signatures (`app/tickets/signing.py`), judging a code by a list
(`verdict.py`).

The bytes are JSON with sorted names and no blanks, so that equal lists have equal signatures. There are no names or addresses.
"""

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from app.domain.booking import Booking, BookingState, Passenger, Seat
from app.domain.run.train_run import run_id
from app.domain.values import value


class MalformedListError(ValueError):
    """Bytes are no inspection list. The text says why."""


class ListedState(StrEnum):
    """The state of a ticket in a list. A WAITLISTED passenger has no seat (any more)."""

    CONFIRMED = "CONFIRMED"
    WAITLISTED = "WAITLISTED"
    CANCELLED = "CANCELLED"


@value(frozen=True, slots=True)
class ListedTicket:
    """One passenger in a list. `revision` is the booking's. Without a seat, `seat` is None."""

    reference: str
    passenger_number: int
    revision: int
    state: ListedState
    seat: Seat | None
    legs: int


@value(frozen=True, slots=True)
class InspectionList:
    """The tickets of a run at one moment. `run_revision` is the run's version, `key_id` names the key that signs the list."""

    train_id: str
    travel_date: str
    run_revision: int
    issue_time: datetime
    key_id: str
    tickets: tuple[ListedTicket, ...]

    @property
    def run_id(self) -> str:
        """The run: `<train_id>:<YYYY-MM-DD>`."""
        return run_id(self.train_id, self.travel_date)

    def find(self, reference: str, passenger_number: int) -> ListedTicket | None:
        """Return a passenger of a booking, None for one who is not in the list."""
        for ticket in self.tickets:
            if ticket.reference == reference and ticket.passenger_number == passenger_number:
                return ticket
        return None


def list_tickets(bookings: Iterable[Booking]) -> tuple[ListedTicket, ...]:
    """Return all passengers that the bookings ever had, by reference and number."""
    listed = [ticket for booking in bookings for ticket in _tickets_of(booking)]
    return tuple(sorted(listed, key=lambda ticket: (ticket.reference, ticket.passenger_number)))


def _tickets_of(booking: Booking) -> Iterable[ListedTicket]:
    for passenger in booking.passengers:
        yield _listed(booking, passenger, _state_of(booking, passenger))
    for passenger in booking.cancelled_passengers:
        yield _listed(booking, passenger, ListedState.CANCELLED)


def _state_of(booking: Booking, passenger: Passenger) -> ListedState:
    if not booking.is_live:
        return ListedState.CANCELLED
    has_seat = booking.state is BookingState.CONFIRMED and passenger.seat is not None
    return ListedState.CONFIRMED if has_seat else ListedState.WAITLISTED


def _listed(booking: Booking, passenger: Passenger, state: ListedState) -> ListedTicket:
    seat = passenger.seat if state is ListedState.CONFIRMED else None
    return ListedTicket(booking.reference, passenger.number, booking.revision, state, seat, booking.journey.legs)


def encode_list(inspection: InspectionList) -> bytes:
    """Return the bytes of a list, which are signed."""
    content = {
        "train_id": inspection.train_id,
        "travel_date": inspection.travel_date,
        "run_revision": inspection.run_revision,
        "issue_time": inspection.issue_time.isoformat(),
        "key_id": inspection.key_id,
        "tickets": [_encoded(ticket) for ticket in inspection.tickets],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _encoded(ticket: ListedTicket) -> dict[str, object]:
    content: dict[str, object] = {
        "reference": ticket.reference,
        "passenger_number": ticket.passenger_number,
        "revision": ticket.revision,
        "state": ticket.state.value,
        "legs": ticket.legs,
    }
    if ticket.seat is not None:
        content["seat"] = {"section": ticket.seat.section, "coach": ticket.seat.coach, "number": ticket.seat.number}
    return content


def decode_list(content: bytes) -> InspectionList:
    """Return the list that bytes are. Raises MalformedListError."""
    try:
        fields = json.loads(content)
        issue_time = datetime.fromisoformat(fields["issue_time"])
        if issue_time.tzinfo is None:
            raise ValueError("its issue time has no zone")
        return InspectionList(
            str(fields["train_id"]),
            str(fields["travel_date"]),
            int(fields["run_revision"]),
            issue_time,
            str(fields["key_id"]),
            tuple(_decoded(item) for item in fields["tickets"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MalformedListError(f"this is no inspection list: {type(error).__name__} {error}"[:300]) from error


def _decoded(item: dict[str, object]) -> ListedTicket:
    seat = item.get("seat")
    return ListedTicket(
        str(item["reference"]),
        _whole(item["passenger_number"]),
        _whole(item["revision"]),
        ListedState(str(item["state"])),
        Seat(str(seat["section"]), str(seat["coach"]), _whole(seat["number"])) if isinstance(seat, dict) else None,
        _whole(item["legs"]),
    )


def _whole(number: object) -> int:
    if not isinstance(number, int):
        raise ValueError(f"{number!r} is no whole number")
    return number
