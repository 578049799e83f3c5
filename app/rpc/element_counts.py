"""How many elements each repeated field of a request may have.

Belongs here: counting elements before any is read. Does not belong here: what an element means and tighter bounds
(`<resource>/requests.py`).

An element takes at least two bytes on the wire, but up to a kilobyte and some microseconds once it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from app.domain import limits
from app.domain.refusals import InvalidField

# Shorter messages hold too few elements to matter. Requests for bookings have a few hundred bytes, so they are not counted.
UNCHECKED_BYTES_MAX = 4_096

# The repeated fields of all requests by full name. A test compares the table with the contract.
_PASSENGERS = limits.PASSENGERS_PER_BOOKING_MAX
_MASK_PATHS_MAX = 64  # more than any resource has fields
_EVENT_TYPES_MAX = 64  # more than there are, families included
ELEMENTS_MAX: Mapping[str, int] = MappingProxyType(
    {
        "seatline.v1.CreateBookingRequest.passengers": _PASSENGERS,
        "seatline.v1.CreateBookingRequest.seat_numbers": _PASSENGERS,
        "seatline.v1.HoldSeatsRequest.seat_numbers": _PASSENGERS,
        "seatline.v1.UpdateBookingRequest.passengers": _PASSENGERS,
        "seatline.v1.CancelBookingRequest.passenger_emails": _PASSENGERS,
        "seatline.v1.CancelBookingRequest.passenger_numbers": _PASSENGERS,
        "seatline.v1.Train.stops": limits.STOPS_PER_TRAIN_MAX,
        "seatline.v1.Train.sections": limits.SECTIONS_PER_TRAIN_MAX,
        "seatline.v1.Train.coaches": limits.COACHES_PER_TRAIN_MAX,
        "seatline.v1.Train.refund_tiers": limits.REFUND_TIERS_MAX,
        "seatline.v1.UpdateLayoutRequest.operations": limits.LAYOUT_OPERATIONS_MAX,
        "seatline.v1.RemoveSeats.seat_numbers": limits.SEATS_PER_TRAIN_MAX,
        "seatline.v1.Webhook.event_types": _EVENT_TYPES_MAX,
        "google.protobuf.FieldMask.paths": _MASK_PATHS_MAX,
    }
)


def check_element_counts(request: Message) -> None:
    """Refuse a request with too many elements in a field (INVALID_FIELD). Counts elements before it reads any of them."""
    _check(request, "")


def _check(message: Message, prefix: str) -> None:
    for repeated in repeated_fields(message.DESCRIPTOR):
        elements = repeated.elements_of(message)
        path = f"{prefix}{repeated.path}"
        if len(elements) > repeated.most:
            raise InvalidField(path, f"has {len(elements)} elements; at most {repeated.most}")
        if repeated.is_nested:
            for index, element in enumerate(elements):
                _check(element, f"{path}[{index}].")


@dataclass(frozen=True, slots=True)
class RepeatedField:
    """A repeated field of a message: the names that lead to it, elements at most, whether these have repeated fields too."""

    names: tuple[str, ...]
    most: int
    is_nested: bool

    @property
    def path(self) -> str:
        """The field's path in its message."""
        return ".".join(self.names)

    def elements_of(self, message: Any) -> Any:
        """Return the elements of the field in a message."""
        for name in self.names:
            message = getattr(message, name)
        return message


@lru_cache(maxsize=256)  # the messages of the contract's requests
def repeated_fields(kind: Descriptor) -> tuple[RepeatedField, ...]:
    """Return the repeated fields of a message and of the messages in it, without those of repeated elements."""
    found: list[RepeatedField] = []
    for field in kind.fields:
        inner = () if field.message_type is None else repeated_fields(field.message_type)
        if field.is_repeated:
            found.append(RepeatedField((field.name,), ELEMENTS_MAX[field.full_name], is_nested=bool(inner)))
        else:
            found += [replace(repeated, names=(field.name, *repeated.names)) for repeated in inner]
    return tuple(found)
