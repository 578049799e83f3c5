"""The calls of UserService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.domain.people import Person
from app.pb.seatline.v1 import user_pb2
from app.rpc import fields
from app.rpc.context import CallContext
from app.rpc.users import answers, requests
from app.usecases.users import UserUseCases


class UserServicer:
    """The methods of UserService."""

    def __init__(self, users: UserUseCases) -> None:
        self._users = users

    async def RegisterUser(self, request: user_pb2.RegisterUserRequest, context: CallContext) -> user_pb2.User:
        """Register a user."""
        caller = context.caller
        fields.request_id(request.request_id)
        person = fields.person(request.first_name, request.last_name, request.email)
        return answers.user(await self._users.register(caller, person))

    async def GetUser(self, request: user_pb2.GetUserRequest, context: CallContext) -> user_pb2.User:
        """Return a user."""
        caller = context.caller
        return answers.user(await self._users.get(caller, fields.email(request.email, "email")))

    async def UpdateUser(self, request: user_pb2.UpdateUserRequest, context: CallContext) -> user_pb2.User:
        """Correct a user's name."""
        caller = context.caller
        email = fields.email(request.email, "email")
        masked = requests.update_mask(request)
        names = Person(
            fields.name(request.user.first_name, "user.first_name") if "first_name" in masked else "",
            fields.name(request.user.last_name, "user.last_name") if "last_name" in masked else "",
            email,
        )
        return answers.user(await self._users.update(caller, email, names, masked, request.etag))
