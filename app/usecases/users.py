"""People who make themselves known.

Belongs here: registering, looking at and renaming a person. Does not: bookings and receipts (`bookings.py`).
"""

from collections.abc import Callable
from datetime import datetime

from app.domain.people import Caller, Person, StoredUser, renamed, require_self_or_operator, same_names
from app.domain.refusals import Reason, Refusal
from app.store.store import Store

_UPDATE_ATTEMPTS_MAX = 5  # a person is renamed by hand; more in a row is nobody's honest need


class UserUseCases:
    """The use cases around people. `clock` gives the present moment."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def register(self, caller: Caller, person: Person) -> StoredUser:
        """Makes a person known. Doing it again changes nothing; another name is refused (USER_ALREADY_EXISTS)."""
        require_self_or_operator(caller, person.email)
        # Looked for before it is inserted: it may be stored under an older form of the address.
        known = await self._store.users.find(person.email)
        if known is None and await self._store.users.insert(person, self._clock()):
            return StoredUser(person)
        known = known or await self._store.users.find(person.email)
        if known is None or not same_names(known.person, person):
            message = f"{person.email} is registered under another name; UpdateUser corrects it"
            raise Refusal(Reason.USER_ALREADY_EXISTS, message, resource=("user", person.email))
        return known

    async def get(self, caller: Caller, email: str) -> StoredUser:
        """A person. Refuses NOT_PERMITTED, USER_NOT_FOUND."""
        require_self_or_operator(caller, email)
        known = await self._store.users.find(email)
        if known is None:
            raise Refusal(Reason.USER_NOT_FOUND, f"nobody is registered under {email}", resource=("user", email))
        return known

    async def update(self, caller: Caller, email: str, names: Person, fields: frozenset[str], etag: str) -> StoredUser:
        """Give a person new names, those of `fields`. Refuses NOT_PERMITTED, USER_NOT_FOUND, ETAG_STALE."""
        for _ in range(_UPDATE_ATTEMPTS_MAX):
            known = await self.get(caller, email)
            changed = renamed(known, names, fields, etag)
            if changed is known or await self._store.users.replace(changed, self._clock()):
                return changed
        raise Refusal(Reason.ETAG_STALE, "the user keeps changing; read it again")
