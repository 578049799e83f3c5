"""Rules about users.

Belongs here: what the service would not have stored of a user. Does not belong here: users of bookings (`bookings.py`).
"""

from collections.abc import Iterator
from datetime import datetime

from app.domain.people import StoredUser, email_keys
from app.domain.values import value


@value(frozen=True, slots=True)
class AuditedUser:
    """A user with the id and the times of its document."""

    record_id: str
    user: StoredUser
    create_time: datetime
    update_time: datetime | None


def wrong_user_fields(record: AuditedUser) -> Iterator[str]:
    """Find an id that is not that of the address, and a version that contradicts the times."""
    email = record.user.person.email
    if record.record_id not in email_keys(email):
        yield f"is stored under another address than {email}"
    version, is_changed = record.user.version, record.user.version > 1
    is_in_order = (record.update_time or record.create_time) >= record.create_time
    if version < 1 or is_changed != (record.update_time is not None) or not is_in_order:
        yield "has a version that contradicts its times"


def nameless_user(record: AuditedUser) -> Iterator[str]:
    """Find a user without a name."""
    person = record.user.person
    if not person.first_name.strip() or not person.last_name.strip():
        yield "has no name"
