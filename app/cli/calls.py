"""Client of the service: channel, stubs by resource, caller metadata, deadlines, paging.

Belongs here: what all calls share. Does not belong here: which calls a command makes, and the text of a failure
(`app.cli.failures`).
"""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from app.cli.call_failures import ADVICE_WHEN_AWAY, failure_of_call
from app.cli.failures import CallError, Failure
from app.cli.options import CallerOptions
from app.pb.seatline.v1 import (
    booking_pb2_grpc,
    hold_pb2_grpc,
    job_pb2_grpc,
    notice_pb2_grpc,
    ticket_pb2_grpc,
    train_pb2_grpc,
    train_run_pb2_grpc,
    user_pb2_grpc,
    webhook_pb2_grpc,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

# The service reduces a larger page size to its maximum, so this requests the fewest pages.
PAGE_SIZE_REQUESTED = 1000
# Stops a list whose pages never end. With pages of 200 rows it still shows 10,000 rows.
PAGES_MAX = 50
RECONNECT_MILLISECONDS_MAX = 500
_LOOPBACK_PREFIXES = ("127.", "localhost", "[::1]", "::1", "unix:")

RequestT = TypeVar("RequestT", bound="Message")
AnswerT = TypeVar("AnswerT", bound="Message")


class Calls:
    """Client of the service for one caller. Use it as a context manager, which closes the channel."""

    def __init__(self, options: CallerOptions) -> None:
        """Prepare the channel and the stubs; sends nothing."""
        self.options = options
        self._channel = grpc.insecure_channel(options.target, options=_channel_options(options.target))
        # One stub per service, named after its resource. A new service is one line here.
        self.bookings = booking_pb2_grpc.BookingServiceStub(self._channel)
        self.holds = hold_pb2_grpc.HoldServiceStub(self._channel)
        self.jobs = job_pb2_grpc.JobServiceStub(self._channel)
        self.notices = notice_pb2_grpc.NoticeServiceStub(self._channel)
        self.tickets = ticket_pb2_grpc.TicketServiceStub(self._channel)
        self.train_runs = train_run_pb2_grpc.RunServiceStub(self._channel)
        self.trains = train_pb2_grpc.TrainServiceStub(self._channel)
        self.users = user_pb2_grpc.UserServiceStub(self._channel)
        self.webhooks = webhook_pb2_grpc.WebhookServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._channel.close()

    def call(
        self, method: grpc.UnaryUnaryMultiCallable[RequestT, AnswerT], request: RequestT, advice_in_doubt: str = ""
    ) -> AnswerT:
        """Call `method` and return its answer.

        Raises `CallError`. If the outcome is then unknown, the error's text ends with `advice_in_doubt`.
        """
        try:
            return method(request, timeout=self.options.timeout_seconds, metadata=self._metadata())
        except grpc.RpcError as error:
            failure = failure_of_call(error, self.options.target, self.options.timeout_seconds)
            raise CallError(_with_advice(failure, self.options, advice_in_doubt)) from error

    def pages(
        self, method: grpc.UnaryUnaryMultiCallable[Any, AnswerT], request: Any, page_size: int = 0, page_token: str = ""
    ) -> AnswerT:
        """Fetch all pages of a list and merge them into one answer. With `page_size` or `page_token`, fetch one page.

        The answer's `next_page_token` is empty unless there are more pages. Raises `CallError`.
        """
        is_one_page = bool(page_size or page_token)
        request.page_size, request.page_token = page_size if is_one_page else PAGE_SIZE_REQUESTED, page_token
        merged: Any = self.call(method, request)
        for _ in range(0 if is_one_page else PAGES_MAX - 1):
            if not merged.next_page_token:
                break
            request.page_token = merged.next_page_token
            page: Any = self.call(method, request)
            merged.MergeFrom(page)
            merged.next_page_token = page.next_page_token  # MergeFrom skips an empty value
        return cast(AnswerT, merged)

    def health(self, service: str = "") -> tuple[Message, str]:
        """Return the health of the server, or of one of its services, and the status's name. Raises `CallError`."""
        stub: Any = health_pb2_grpc.HealthStub(self._channel)  # published without types
        try:
            answer = self.call(stub.Check, health_pb2.HealthCheckRequest(service=service))
        except CallError as failed:
            if failed.failure.code != "NOT_FOUND":
                raise
            unknown = Failure("NOT_FOUND", f"The server at {self.options.target} reports no health for {service}")
            raise CallError(unknown) from failed
        return answer, health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def wait_until_serving(self, wait_seconds: float, service: str = "") -> None:
        """Wait until the service is SERVING. Raises `CallError` after `wait_seconds`."""
        health: Any = health_pb2_grpc.HealthStub(self._channel)  # published without types
        states = health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=wait_seconds, wait_for_ready=True)
        try:
            for answer in states:  # bounded by the call's deadline
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    states.cancel()
                    return
        except grpc.RpcError as error:
            failure = failure_of_call(error, self.options.target, wait_seconds)
            if failure.code == "DEADLINE_EXCEEDED":
                message = f"The service at {self.options.target} was not ready within {wait_seconds:g} s"
                failure = replace(failure, message=message, advice=ADVICE_WHEN_AWAY)
            raise CallError(failure) from error
        raise CallError(Failure("UNAVAILABLE", f"The service at {self.options.target} stopped before it was ready"))

    def _metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        user = self.options.user
        # gRPC transmits only ASCII as text.
        identity = ("x-seatline-user", user) if user.isascii() else ("x-seatline-user-bin", user.encode())
        return tuple((key, value) for key, value in (identity, ("x-seatline-roles", ",".join(self.options.roles))) if value)


def _channel_options(target: str) -> list[tuple[str, int]]:
    # A command that waits for a starting service must notice it soon.
    chosen = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", RECONNECT_MILLISECONDS_MAX)]
    # A proxy from the environment must not be used for this machine.
    return [*chosen, ("grpc.enable_http_proxy", 0)] if target.startswith(_LOOPBACK_PREFIXES) else chosen


def _with_advice(failure: Failure, options: CallerOptions, advice_in_doubt: str) -> Failure:
    """Add advice that depends on this caller's options, which the service does not know."""
    advice = failure.advice
    if failure.code == "PERMISSION_DENIED" and "operator" not in options.roles:
        advice = "If you are an operator, add --role operator."
    if failure.is_outcome_unknown:
        advice = f"{advice} {advice_in_doubt}".strip()
    return replace(failure, advice=advice)
