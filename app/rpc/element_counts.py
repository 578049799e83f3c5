"""How many elements each repeated field of a request may have.

Belongs here: counting elements before any is read. Does not belong here: what an element means and tighter bounds
(`<resource>/requests.py`).

An element takes at least two bytes on the wire, but up to a kilobyte and some microseconds once it is read.
"""

from collections.abc import Mapping
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
        "seatline.v1.Webhook.event_types": _EVENT_TYPES_MAX,
        "google.protobuf.FieldMask.paths": _MASK_PATHS_MAX,
    }
)


def check_element_counts(request: Message) -> None:
    """Refuse a request with too many elements in a field (INVALID_FIELD). Reads none of them."""
    for path, field, most in repeated_fields(request.DESCRIPTOR):
        message: Any = request
        for name in path:
            message = getattr(message, name)
        count = len(getattr(message, field))
        if count > most:
            raise InvalidField(".".join((*path, field)), f"has {count} elements; at most {most}")


@lru_cache(maxsize=256)  # the requests of the contract
def repeated_fields(kind: Descriptor) -> tuple[tuple[tuple[str, ...], str, int], ...]:
    """Return the repeated fields of a request: path of the message that has the field, name of the field, elements at most."""
    found: list[tuple[tuple[str, ...], str, int]] = []
    for field in kind.fields:
        if field.is_repeated:
            found.append(((), field.name, ELEMENTS_MAX[field.full_name]))
        elif field.message_type is not None:
            found += [((field.name, *path), name, most) for path, name, most in repeated_fields(field.message_type)]
    return tuple(found)
