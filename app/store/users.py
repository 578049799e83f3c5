"""People in MongoDB.

Belongs here: statements to the collection `users`. Does not: what bookings know of people (`bookings.py`).
"""

import time
from datetime import datetime

from app.domain.people import Person, email_key, email_keys
from app.store.documents import person_document, person_from
from app.store.driver import Collection, Database, DuplicateKeyError, any_of, outage_refused

# An agent books for others many times a minute; names are read again after this long.
NAMES_SECONDS_MAX = 10.0
NAMES_MAX = 10_000


class Users:
    """The collection `users`, keyed by the address as it is compared."""

    def __init__(self, database: Database) -> None:
        self._users: Collection = database["users"]
        self._names: dict[str, tuple[float, Person | None]] = {}

    async def names(self, email: str) -> Person | None:
        """The person with that address, as it was known at most `NAMES_SECONDS_MAX` ago."""
        now, key = time.monotonic(), email_key(email)
        until, known = self._names.get(key, (0.0, None))
        if now >= until:
            known = await self.find(email)
            if len(self._names) >= NAMES_MAX:
                self._names.clear()
            self._names[key] = (now + NAMES_SECONDS_MAX, known)
        return known

    async def insert(self, person: Person, now: datetime) -> bool:
        """Keeps a person. False when somebody is known under that address."""
        try:
            with outage_refused():
                await self._users.insert_one({"_id": person.key, **person_document(person), "create_time": now})
        except DuplicateKeyError:
            return False
        self._names.pop(person.key, None)
        return True

    async def find(self, email: str) -> Person | None:
        """The person with that address, also one who was stored when addresses were compared in another way."""
        with outage_refused():
            document = await self._users.find_one({"_id": any_of(email_keys(email))})
        return None if document is None else person_from(document)
