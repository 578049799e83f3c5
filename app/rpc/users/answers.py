"""Answers around users: values of the domain to messages.

Belongs here: the message User. Does not belong here: what decides anything.
"""

from app.domain.people import StoredUser
from app.pb.seatline.v1 import user_pb2


def user(user: StoredUser) -> user_pb2.User:
    """Return a registered user with its etag."""
    person = user.person
    return user_pb2.User(first_name=person.first_name, last_name=person.last_name, email=person.email, etag=user.etag)
