"""The calls of UserService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: what the
messages mean (`requests.py`, `answers.py`), and who may call (`app/rpc/policies.py`).
"""

from app.domain.people import Person, require_identified
from app.pb.seatline.v1 import user_pb2, user_pb2_grpc
from app.ports.call_observer import Context
from app.rpc import fields
from app.rpc.context import caller_of
from app.rpc.users import answers, requests
from app.usecases.users import UserUseCases


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
        return answers.user(await self._users.register(caller, person))

    async def GetUser(self, request: user_pb2.GetUserRequest, context: Context) -> user_pb2.User:
        """One person."""
        caller = caller_of(context)
        require_identified(caller)
        return answers.user(await self._users.get(caller, fields.email(request.email, "email")))

    async def UpdateUser(self, request: user_pb2.UpdateUserRequest, context: Context) -> user_pb2.User:
        """Corrects a person's name."""
        caller = caller_of(context)
        require_identified(caller)
        email = fields.email(request.email, "email")
        masked = requests.update_mask(request)
        names = Person(
            fields.name(request.user.first_name, "user.first_name") if "first_name" in masked else "",
            fields.name(request.user.last_name, "user.last_name") if "last_name" in masked else "",
            email,
        )
        return answers.user(await self._users.update(caller, email, names, masked, request.etag))
