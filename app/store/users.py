"""Users in MongoDB.

Belongs here: statements to the collection `users`. Does not belong here: what bookings know of people (`bookings.py`).
"""

import time
from datetime import datetime

from app.domain.people import Person, StoredUser, email_key, email_keys
from app.store.booking_documents import person_document, person_from
from app.store.driver import Collection, Database, Document, DuplicateKeyError, any_of, translate_outages
from app.store.sales_shapes import USER
from app.store.unreadable import decode_one

# An agent books for others many times a minute; names are cached for this long.
NAMES_SECONDS_MAX = 10.0
NAMES_MAX = 10_000


class Users:
    """The collection `users`, keyed by the address as compared."""

    def __init__(self, database: Database) -> None:
        self._users: Collection = database["users"]
        self._names: dict[str, tuple[float, Person | None]] = {}

    async def find_person(self, email: str) -> Person | None:
        """Return the person with that address, as known at most `NAMES_SECONDS_MAX` ago, or None."""
        now, key = time.monotonic(), email_key(email)
        until, known = self._names.get(key, (0.0, None))
        if now >= until:
            user = await self.find(email)
            known = None if user is None else user.person
            if len(self._names) >= NAMES_MAX:
                self._names.clear()
            self._names[key] = (now + NAMES_SECONDS_MAX, known)
        return known

    async def insert(self, person: Person, now: datetime) -> bool:
        """Store a person. Return False where there is a user with that address."""
        try:
            with translate_outages():
                await self._users.insert_one({"_id": person.key, **person_document(person), "create_time": now})
        except DuplicateKeyError:
            return False
        self._names.pop(person.key, None)
        return True

    async def find(self, email: str) -> StoredUser | None:
        """Return the user with that address, also one whose address was stored in an earlier form, or None.

        Refuses RECORD_UNREADABLE.
        """
        with translate_outages():
            document = await self._users.find_one({"_id": any_of(email_keys(email))})
        return None if document is None else decode_one("users", document, user_from)

    async def replace(self, changed: StoredUser, now: datetime) -> bool:
        """Store a changed user in place of the previous version. Return False where that is not the newest any more."""
        person, before = changed.person, changed.version - 1
        # A document that never changed has no version.
        guard: Document = {"version": before if before > 1 else {"$in": [None, 1]}}
        names = {"first_name": person.first_name, "last_name": person.last_name}
        change = {"$set": {**names, "version": changed.version, "update_time": now}}
        with translate_outages():
            result = await self._users.update_one({"_id": any_of(email_keys(person.email)), **guard}, change)
        self._names.pop(person.key, None)
        return result.matched_count == 1


def user_from(document: Document) -> StoredUser:
    """Decode a user. Raises UnreadableError."""
    USER.check(document)
    return StoredUser(person_from(document), document.get("version", 1))
