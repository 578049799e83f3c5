"""Users: people known to the service.

Belongs here: registering, reading and renaming a user. Does not belong here: bookings and receipts (`bookings.py`).
"""

from app.domain.people import Caller, Person, StoredUser, renamed, require_self_or_operator, same_names
from app.domain.refusals import Reason, Refusal
from app.ports.clock import Clock
from app.store.store import Store

_UPDATE_ATTEMPTS_MAX = 5  # users are renamed by hand; more conflicts in a row do not happen by chance


class UserUseCases:
    """The use cases around users. `clock` returns the current time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def register(self, caller: Caller, person: Person) -> StoredUser:
        """Register a person. Doing it again changes nothing. Refuses NOT_PERMITTED, USER_ALREADY_EXISTS (another name)."""
        require_self_or_operator(caller, person.email)
        # Search before inserting: the person may be stored under an older form of the address.
        known = await self._store.users.find(person.email)
        if known is None and await self._store.users.insert(person, self._clock()):
            return StoredUser(person)
        known = known or await self._store.users.find(person.email)
        if known is None or not same_names(known.person, person):
            message = f"{person.email} is registered under another name; UpdateUser corrects it"
            raise Refusal(Reason.USER_ALREADY_EXISTS, message, resource=("user", person.email))
        return known

    async def get(self, caller: Caller, email: str) -> StoredUser:
        """Return a user. Refuses NOT_PERMITTED, USER_NOT_FOUND."""
        require_self_or_operator(caller, email)
        known = await self._store.users.find(email)
        if known is None:
            raise Refusal(Reason.USER_NOT_FOUND, f"nobody is registered under {email}", resource=("user", email))
        return known

    async def update(self, caller: Caller, email: str, names: Person, fields: frozenset[str], etag: str) -> StoredUser:
        """Change the `fields` of a user to those of `names`. Refuses NOT_PERMITTED, USER_NOT_FOUND, ETAG_STALE."""
        for _ in range(_UPDATE_ATTEMPTS_MAX):
            known = await self.get(caller, email)
            changed = renamed(known, names, fields, etag)
            if changed is known or await self._store.users.replace(changed, self._clock()):
                return changed
        raise Refusal(Reason.ETAG_STALE, "the user keeps changing; read it again")
