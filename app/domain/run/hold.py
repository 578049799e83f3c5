"""A hold: seats that are kept for one buyer for some minutes.

Belongs here: the values, their ids, and their index. Does not belong here: the rules (`app/domain/rules/hold_seats.py`).
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

_KEY_BYTES = 10  # two of a million holds have the same key with a probability of 10^-12
_HOLD_ID = re.compile(rf"({TRAIN_ID.pattern})_(\d{{4}}-\d{{2}}-\d{{2}})_([A-Z2-7]{{16}})")


@value(frozen=True, slots=True)
class Hold:
    """Seats that are held on `legs` until `expire_time`. From then on it is no hold, whether or not a commit has ended it.

    `key` follows from the owner and the request. `fare_minor` is the price of each seat, which stays even if fares change.
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
    """A hold that has ended, as its run remembers it: who had which places (section, seat number) on which legs.

    `expire_time` is when it expired, or would have expired; `was_used` is True where a booking used it.
    """

    key: str
    owner_key: str
    legs: int
    places: tuple[tuple[str, int], ...]
    expire_time: datetime
    was_used: bool

    @property
    def free_time(self) -> datetime:
        """From when its owner may hold the same seats again, and the run need not remember it any more."""
        return self.expire_time if self.was_used else self.expire_time + timedelta(seconds=limits.HOLD_AGAIN_SECONDS)


def ended_hold(hold: Hold, *, was_used: bool = False) -> EndedHold:
    """Make what a run remembers of a hold that has ended."""
    places = tuple((seat.section, seat.number) for seat in hold.seats)
    return EndedHold(hold.key, hold.owner_key, hold.legs, places, hold.expire_time, was_used)


class HoldIndex:
    """The holds of a run by seat and owner, so that no new hold needs a scan of all.

    `places` counts the holds of each seat (on different legs). `own` and `ended` have the keys of a user's holds and ended
    holds.
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
        """Index a hold in place of the one before; None stands for no hold."""
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
        """Index an ended hold in place of the one before; None stands for no hold."""
        if before is not None:
            _drop(self.ended, before.owner_key, before.key)
        if after is not None:
            self.ended[after.owner_key].add(after.key)


def _drop(keys: defaultdict[str, set[str]], owner_key: str, key: str) -> None:
    keys[owner_key].discard(key)
    if not keys[owner_key]:
        del keys[owner_key]


def hold_key(email: str, request_id: str) -> str:
    """Return the key of the hold that this person makes with this request."""
    digest = hashlib.blake2b(f"{email_key(email)}\n{request_id}".encode(), digest_size=_KEY_BYTES).digest()
    return b32encode(digest).decode()


def hold_id(train_id: str, travel_date: str, key: str) -> str:
    """Return the id of a hold for clients. It contains the run."""
    return f"{train_id}_{travel_date}_{key}"


def split_hold_id(text: str) -> tuple[str, str, str] | None:
    """Return train, travel date and key of a hold; None for a text that is not the id of a hold."""
    match = _HOLD_ID.fullmatch(text)
    return match.groups() if match else None  # type: ignore[return-value]  # three groups, all of them matched
