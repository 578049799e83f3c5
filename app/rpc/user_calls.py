"""The calls around people.

Belongs here: for each call, request to values, use case, answer to message. Does not: bookings and trains (`servicers.py`).
"""

from app.domain.people import Person, StoredUser, require_identified
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import user_pb2, user_pb2_grpc
from app.ports.call_observer import Context
from app.rpc import fields
from app.rpc.context import caller_of
from app.usecases.users import UserUseCases

_CHANGEABLE = frozenset(("first_name", "last_name"))


class UserServicer(user_pb2_grpc.UserServiceServicer):
    """People."""

    def __init__(self, users: UserUseCases) -> None:
        self._users = users

    async def RegisterUser(self, request: user_pb2.RegisterUserRequest, context: Context) -> user_pb2.User:
        """Makes a person known."""
        caller = caller_of(context)
        require_identified(caller)
        fields.request_id(request.request_id)
        person = fields.person(request.first_name, request.last_name, request.email)
        return _user(await self._users.register(caller, person))

    async def GetUser(self, request: user_pb2.GetUserRequest, context: Context) -> user_pb2.User:
        """One person."""
        caller = caller_of(context)
        require_identified(caller)
        return _user(await self._users.get(caller, fields.email(request.email, "email")))

    async def UpdateUser(self, request: user_pb2.UpdateUserRequest, context: Context) -> user_pb2.User:
        """Corrects a person's name."""
        caller = caller_of(context)
        require_identified(caller)
        email = fields.email(request.email, "email")
        masked = _masked(request)
        names = Person(
            fields.name(request.user.first_name, "user.first_name") if "first_name" in masked else "",
            fields.name(request.user.last_name, "user.last_name") if "last_name" in masked else "",
            email,
        )
        return _user(await self._users.update(caller, email, names, masked, request.etag))


def _masked(request: user_pb2.UpdateUserRequest) -> frozenset[str]:
    """The fields that the mask names; an empty mask names all that can change (google.aip.dev/134)."""
    for index, path in enumerate(request.update_mask.paths):
        if path not in _CHANGEABLE:
            known = " and ".join(sorted(_CHANGEABLE))
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; {known} can")
    return frozenset(request.update_mask.paths or _CHANGEABLE)


def _user(user: StoredUser) -> user_pb2.User:
    person = user.person
    return user_pb2.User(first_name=person.first_name, last_name=person.last_name, email=person.email, etag=user.etag)
