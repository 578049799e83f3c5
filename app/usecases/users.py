"""People who make themselves known.

Belongs here: registering and looking at a person. Does not: bookings and receipts (`bookings.py`).
"""

from collections.abc import Callable
from datetime import datetime

from app.domain.people import Caller, Person, require_self_or_operator
from app.domain.refusals import Reason, Refusal
from app.store.store import Store


class UserUseCases:
    """The use cases around people. `clock` gives the present moment."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def register(self, caller: Caller, person: Person) -> Person:
        """Makes a person known. Doing it again changes nothing; another name is refused (USER_ALREADY_EXISTS)."""
        require_self_or_operator(caller, person.email)
        if await self._store.users.insert(person, self._clock()):
            return person
        known = await self._store.users.find(person.email)
        if known is None or (known.first_name, known.last_name) != (person.first_name, person.last_name):
            message = f"{person.email} is registered under another name"
            raise Refusal(Reason.USER_ALREADY_EXISTS, message, resource=("user", person.email))
        return known

    async def get(self, caller: Caller, email: str) -> Person:
        """A person. Refuses NOT_PERMITTED, USER_NOT_FOUND."""
        require_self_or_operator(caller, email)
        known = await self._store.users.find(email)
        if known is None:
            raise Refusal(Reason.USER_NOT_FOUND, f"nobody is registered under {email}", resource=("user", email))
        return known
