"""A hold: seats that are kept for one buyer for a few minutes.

Belongs here: the value and its name. Does not: the decisions (`app/domain/rules/hold_seats.py`).
"""

import hashlib
import re
from base64 import b32encode
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.booking import Seat
from app.domain.money import Money
from app.domain.people import email_key
from app.domain.train import TRAIN_ID
from app.domain.values import value

_KEY_BYTES = 10  # two of a million holds are alike by a chance of 10^-12
_HOLD_ID = re.compile(rf"({TRAIN_ID.pattern})_(\d{{4}}-\d{{2}}-\d{{2}})_([A-Z2-7]{{16}})")


@value(frozen=True, slots=True)
class Hold:
    """`seats` are kept on `legs` until `expire_time`; from then on it is no hold, whether or not anybody has noticed.

    `key` follows from who asked and the request. `fare_minor` is the price of each seat, which stands even if fares change.
    """

    key: str
    owner_key: str
    fingerprint: str
    legs: int
    seats: tuple[Seat, ...]
    fare_minor: int
    currency: str
    expire_time: datetime

    @property
    def price(self) -> Money:
        """What a booking of these seats costs."""
        return Money(self.fare_minor * len(self.seats), self.currency)


@value(frozen=True, slots=True)
class EndedHold:
    """A hold that is over, as its run remembers it: who had which places (section, seat number) on which legs.

    `expire_time` is when it ran out, or would have, had it not been released or used before; `was_used` by a booking.
    """

    key: str
    owner_key: str
    legs: int
    places: tuple[tuple[str, int], ...]
    expire_time: datetime
    was_used: bool

    @property
    def free_time(self) -> datetime:
        """From when its owner may hold the same seats again, and nobody needs to know of it any more."""
        return self.expire_time if self.was_used else self.expire_time + timedelta(seconds=limits.HOLD_AGAIN_SECONDS)


def ended_hold(hold: Hold, *, was_used: bool = False) -> EndedHold:
    """What a run remembers of a hold that is over."""
    places = tuple((seat.section, seat.number) for seat in hold.seats)
    return EndedHold(hold.key, hold.owner_key, hold.legs, places, hold.expire_time, was_used)


class HoldIndex:
    """What a run's holds come to, so that nobody goes through all of them for each new one.

    `places` are the seats on hold, by how many holds have them on some legs; `own` and `ended` are the keys of a person's holds
    and of those that are over.
    """

    __slots__ = ("ended", "own", "places")

    def __init__(self, holds: Iterable[Hold], ended_holds: Iterable[EndedHold]) -> None:
        self.places: Counter[tuple[str, int]] = Counter()
        self.own: defaultdict[str, set[str]] = defaultdict(set)
        self.ended: defaultdict[str, set[str]] = defaultdict(set)
        for hold in holds:
            self.replace(None, hold)
        for before in ended_holds:
            self.replace_ended(None, before)

    def replace(self, before: Hold | None, after: Hold | None) -> None:
        """Count a hold in place of what was kept under its key."""
        if before is not None:
            _drop(self.own, before.owner_key, before.key)
            for seat in before.seats:
                place = seat.section, seat.number
                self.places[place] -= 1
                if not self.places[place]:
                    del self.places[place]
        if after is not None:
            self.own[after.owner_key].add(after.key)
            self.places.update((seat.section, seat.number) for seat in after.seats)

    def replace_ended(self, before: EndedHold | None, after: EndedHold | None) -> None:
        """Count a hold that is over in place of what was kept under its key."""
        if before is not None:
            _drop(self.ended, before.owner_key, before.key)
        if after is not None:
            self.ended[after.owner_key].add(after.key)


def _drop(keys: defaultdict[str, set[str]], owner_key: str, key: str) -> None:
    keys[owner_key].discard(key)
    if not keys[owner_key]:
        del keys[owner_key]


def hold_key(email: str, request_id: str) -> str:
    """The key of the hold that this person asks for with this request."""
    digest = hashlib.blake2b(f"{email_key(email)}\n{request_id}".encode(), digest_size=_KEY_BYTES).digest()
    return b32encode(digest).decode()


def hold_id(train_id: str, travel_date: str, key: str) -> str:
    """The name of a hold for clients; it leads to the run."""
    return f"{train_id}_{travel_date}_{key}"


def split_hold_id(text: str) -> tuple[str, str, str] | None:
    """Train, travel date and key of a hold; None for what is no name of one."""
    match = _HOLD_ID.fullmatch(text)
    return match.groups() if match else None  # type: ignore[return-value]  # three groups, all of them matched
