"""No log line has anything that people sent: no names, addresses or tokens, nor the database password."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest

from app.domain.refusals import InvalidField, Reason, Refusal
from app.embedded.mongod import EmbeddedMongod
from app.payments.ledger import DECLINES
from app.rpc.authentication import MetadataAuthenticator
from app.rpc.errors import STATUS_CODES
from app.rpc.guard import Guard
from app.rpc.policies import POLICIES
from app.telemetry.logs.calls import CallLogger
from app.telemetry.logs.format import line_formatter
from tests.support.clients import ApiClient, Person, RefusedCall, Run, booking_request, refusal
from tests.support.server_processes import a_run, server_process
from tests.support.webhook_client import WebhookClient
from tests.support.world import a_train, eventually

METHOD = "/seatline.v1.BookingService/CreateBooking"
NEEDLES = ("Wilhelmina", "Featherstone", "wilhelmina.f@example.org", "tok_n33dle", "hunter2", "h00k-token")
EMAIL = "wilhelmina.f@example.org"
SENT = " ".join(NEEDLES)


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines that the application has logged, at any level."""
    stream, logger = io.StringIO(), logging.getLogger("app")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(line_formatter(as_json=True))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


class _Aborted(Exception):  # noqa: N818 - as gRPC's own
    """Raised by an aborted call."""


class _Context:
    """The part of a call that the guard uses."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-seatline-user", EMAIL),)

    async def read(self) -> bytes:
        return SENT.encode()

    async def abort(self, code: grpc.StatusCode, text: str, metadata: object) -> NoReturn:
        raise _Aborted


def _faults() -> list[BaseException]:
    refused: list[BaseException] = [Refusal(reason, f"no: {SENT}", resource=("user", EMAIL)) for reason in Reason]
    return [
        *refused,
        InvalidField("passengers[0].email", SENT),
        ValueError(SENT),
        KeyError(EMAIL),
        asyncio.CancelledError(SENT),
    ]


@pytest.mark.parametrize("fault", _faults(), ids=lambda fault: str(getattr(fault, "reason", repr(fault)))[:20])
async def test_every_refusal_and_internal_error_has_one_line_without_the_request(
    fault: BaseException, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    async def behavior(request: object, context: object) -> None:
        raise fault

    guard = Guard(
        calls_in_flight_max=9,
        call_seconds_max=9,
        request_seconds_max=9,
        is_available=lambda: True,
        policies=POLICIES,
        authenticator=MetadataAuthenticator(),
        observer=CallLogger(99),
    )
    handler: Any = guard.wrap(METHOD, grpc.unary_unary_rpc_method_handler(behavior, bytes.decode, str.encode))
    with pytest.raises(_Aborted):
        await asyncio.create_task(handler.stream_unary(None, _Context()))
    (line,) = lines()
    reason = fault.reason if isinstance(fault, Refusal) else Reason.INTERNAL
    assert (line["method"], line["code"], line["reason"]) == (METHOD[1:], STATUS_CODES[reason].name, reason.value)
    assert line["milliseconds"] >= 0
    assert ("incident" in line) is not isinstance(fault, Refusal)
    assert not [needle for needle in NEEDLES if needle in json.dumps(line)]


async def test_refusals_of_a_real_server_have_one_line_each_without_personal_data(
    tmp_path: Path, mongod: EmbeddedMongod
) -> None:
    settings = {
        "SEATLINE_MONGODB_URI": mongod.uri,
        "SEATLINE_MONGODB_DATABASE": f"test_{uuid.uuid4().hex[:16]}",
        "SEATLINE_LOG_LEVEL": "DEBUG",
        "SEATLINE_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    async with server_process(tmp_path / "data", "--with-worker", **settings) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            run = await a_run(channel, "A1")
            refused = [await refusal(call) for call in await _refused_calls(channel, run)]

            async def are_told() -> bool:
                return len(_told(server.output())) >= len(refused)

            await eventually(are_told)
        text = server.output()
    assert sorted((line["code"], line.get("reason", "")) for line in _told(text)) == sorted(_says(error) for error in refused)
    assert len({error.reason for error in refused}) >= 9
    assert not [needle for needle in NEEDLES if needle.lower() in text.lower()]


def _told(text: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, text.splitlines()) if "method" in line]


def _says(one: RefusedCall) -> tuple[str, str]:
    return one.code.name, one.reason


async def _refused_calls(channel: grpc.aio.Channel, run: Run) -> list[Awaitable[Any]]:
    """Make calls that are refused for many reasons, with recognizable personal data."""
    she = Person(first_name="Wilhelmina", last_name="Featherstone", email=EMAIL)
    api_client, nobody = ApiClient(channel, EMAIL), ApiClient(channel)
    operator = WebhookClient(channel, "desk", roles="operator")
    await operator.create("http://127.0.0.1:1/hook?secret=h00k-token", "booking.*")
    sold = await api_client.book(run, she, payment_token="tok_n33dle", request_id="first-1")
    gone = Run(train_id="Wilhelmina", travel_date=run.travel_date)
    return [
        api_client.book(run, she),
        api_client.book(run, Person(first_name="Wilhelmina", last_name="Featherstone", email="Wilhelmina at home")),
        api_client.book(run, Person(first_name="W" * 500, last_name="Featherstone", email=EMAIL)),
        api_client.send(
            booking_request(run, Person(first_name="Joe", last_name="Featherstone", email=EMAIL), request_id="first-1")
        ),
        api_client.book(run, "joe", payment_token=DECLINES),
        api_client.book(gone, she),
        ApiClient(channel, "tom").book(run),
        nobody.book(run, she),
        ApiClient(channel, "Wilhelmina Featherstone@").book(run, she),
        api_client.booking("ZZZZZZ"),
        api_client.booking("Featherstone"),
        ApiClient(channel, "joe").receipts_page(EMAIL),
        api_client.user(EMAIL),
        api_client.move(sold.reference, "joe"),
        api_client.update(sold.reference, she, mask=["passengers"], etag="hunter2"),
        api_client.create_train(a_train("A1", train_id="wilhelmina")),
        operator.get("h00k-token"),
        operator.train("Wilhelmina"),
        operator.train("no-such-train"),
    ]
