"""How many elements a request may have of each kind.

Belongs here: counting them before anything looks at one. Does not: what each means (`requests.py`), and more exact bounds.

An element takes two bytes of a message at least, and up to a kilobyte and some microseconds once it is looked at.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from app.domain import limits
from app.domain.refusals import InvalidField

# Shorter messages hold too few elements to matter; bookings have a few hundred bytes and are not counted.
UNCHECKED_BYTES_MAX = 4_096

# The repeated fields of all requests, by the full name of each. A test holds the table against the contract.
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
    """Refuses a request with more elements of a kind than may be, and looks at none of them."""
    for path, field, most in repeated_fields(request.DESCRIPTOR):
        message: Any = request
        for name in path:
            message = getattr(message, name)
        count = len(getattr(message, field))
        if count > most:
            raise InvalidField(".".join((*path, field)), f"has {count} elements; at most {most}")


@lru_cache(maxsize=256)  # the requests of the contract
def repeated_fields(kind: Descriptor) -> tuple[tuple[tuple[str, ...], str, int], ...]:
    """The repeated fields of a request: the names that lead to the message they are in, their own, how many there may be."""
    found: list[tuple[tuple[str, ...], str, int]] = []
    for field in kind.fields:
        if field.is_repeated:
            found.append(((), field.name, ELEMENTS_MAX[field.full_name]))
        elif field.message_type is not None:
            found += [((field.name, *path), name, most) for path, name, most in repeated_fields(field.message_type)]
    return tuple(found)
