"""What calls tell of themselves.

Belongs here: who looks on at calls. Does not: what is made of it (`app/telemetry`).
"""

from typing import Any, Protocol, TypeAlias

import grpc

from app.domain.refusals import Reason

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"  # the class takes no arguments at run time


class CallObserver(Protocol):
    """Looks on at the calls of our services. Neither of these may raise or wait.

    `method` is the full name, "/seatline.v1.BookingService/CreateBooking". Both run in the call's own task and context.
    """

    def call_started(self, method: str, context: Context) -> object:
        """A call begins; gives what `call_ended` is to be given back."""

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """The call has ended with that status; `reason` says why it was refused.

        Of a client that has gone: CANCELLED, or DEADLINE_EXCEEDED where its deadline has passed.
        """


class NullCallObserver:
    """The observer where there is none."""

    def call_started(self, method: str, context: Context) -> object:
        """Nothing."""
        return None

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        """Nothing."""
