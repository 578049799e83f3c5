"""A local server that answers and validates as the part of Stripe's API that Seatline uses.

Belongs here: PaymentIntents and Refunds with their states and sums, idempotency keys, declines, and faults that a test
injects. Does not belong here: assertions. It follows docs.stripe.com/api, /error-low-level and /testing.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

API_KEY = "sk_test_51SeatlineNeverLogsThisKey"
API_VERSION = "2026-10-28.endive"

# The payment methods of docs.stripe.com/testing, and a slow one.
PAYS, DECLINED, ASKS_HOLDER = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"
IS_SLOW = "pm_card_processing"
STATUS_AFTER_CONFIRMING = {
    PAYS: "requires_capture",
    DECLINED: "requires_payment_method",
    ASKS_HOLDER: "requires_action",
    IS_SLOW: "processing",
}
CANCELABLE = {"requires_payment_method", "requires_capture", "requires_confirmation", "requires_action", "processing"}
CREATE_PARAMETERS = {
    "amount",
    "currency",
    "payment_method",
    "capture_method",
    "confirm",
    "automatic_payment_methods[enabled]",
    "automatic_payment_methods[allow_redirects]",
    "description",
}

Json = dict[str, Any]
Form = dict[str, str]


class ErrorAnswered(Exception):  # noqa: N818 - it is an answer, not a fault
    """An answer that is an error. `is_saved` says whether the endpoint had begun, so that the answer is saved under the key."""

    def __init__(self, status: int, message: str, *, is_saved: bool = True, **error: Any) -> None:
        super().__init__(message)
        kind = "card_error" if status == 402 else "invalid_request_error"
        self.answer = Answer(status, {"error": {"type": kind, "message": message, **error}})
        self.is_saved = is_saved


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON document and headers."""

    status: int
    body: Json | str
    headers: Mapping[str, str] = field(default_factory=dict)


# Some of Stripe's, in its own units.
SMALLEST_CHARGES = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "czk": 1_500, "huf": 17_500}
ZEROS_AT_THE_END = {"isk": 100, "ugx": 100, **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10)}


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault of one request.

    `instead` is answered without anything being done or saved. `is_done` does what was asked, and then `saved` is answered and
    remembered, or else the connection ends (`drops`) or nothing is said until the server stops.
    """

    instead: Answer | None = None
    is_done: bool = False
    saved: Answer | None = None
    drops: bool = False


def limited(retry_after: str = "") -> InjectedFault:
    """Return the fault of too many requests."""
    body = {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests"}}
    return InjectedFault(instead=Answer(429, body, {"Retry-After": retry_after} if retry_after else {}))


def broken(*, is_done: bool) -> InjectedFault:
    """Return the fault of a server error, which is saved under the key."""
    body = {"error": {"type": "api_error", "message": "An unknown error occurred"}}
    return InjectedFault(is_done=is_done, saved=Answer(500, body))


LOST = InjectedFault(is_done=True, drops=True)
SILENT = InjectedFault(is_done=True)


class StripeServer:
    """The account's intents and refunds, and what is to happen to the next POSTs: each takes one of `troubles`.

    `complaints` are requests that Stripe would take, but that Seatline must never send.
    """

    def __init__(self) -> None:
        self.intents: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.troubles: deque[InjectedFault] = deque()
        self.refund_statuses: deque[str] = deque()
        self.complaints: list[str] = []
        self.keys: list[str] = []
        self.url = ""
        self._saved: dict[str, tuple[str, Form, Answer]] = {}
        self._under_way: set[str] = set()
        self._requests = 0
        self._stopping = asyncio.Event()
        self.pause: Callable[[], Any] = lambda: asyncio.sleep(0)

    def forget_keys(self) -> None:
        """Forget the saved answers, as Stripe may after a day."""
        self._saved.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client closes it."""
        try:
            while (line := await reader.readline()) and not self._stopping.is_set():
                method, target, _ = line.decode().split()
                headers: dict[str, str] = {}
                while (line := await reader.readline()).strip():
                    name, _, text = line.decode().partition(":")
                    headers[name.strip().lower()] = text.strip()
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                answer = await self._answer(method, target, headers, dict(parse_qsl(body, keep_blank_values=True)))
                if answer is None:
                    return
                writer.write(self._encoded(answer))
                await writer.drain()
        except ConnectionError:  # the client has left
            pass
        finally:
            writer.close()

    def stop(self) -> None:
        """End the answers that hang."""
        self._stopping.set()

    def _encoded(self, answer: Answer) -> bytes:
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        self._requests += 1
        headers = {"Content-Type": "application/json", "Request-Id": f"req_{self._requests}", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} .", *(f"{name}: {value}" for name, value in headers.items())]
        lines.append(f"Content-Length: {len(text.encode())}")
        return "\r\n".join([*lines, "", text]).encode()

    async def _answer(self, method: str, target: str, headers: Mapping[str, str], form: Form) -> Answer | None:
        if headers.get("authorization") != f"Bearer {API_KEY}":
            wrong = headers.get("authorization", "")  # Stripe masks it; who else might answer does not
            return ErrorAnswered(401, f"Invalid API Key provided: {wrong}").answer
        if headers.get("stripe-version") != API_VERSION:
            self.complaints.append(f"{method} {target} with the version {headers.get('stripe-version')}")
        try:
            if method == "GET":
                parts = urlsplit(target)
                return Answer(200, self._look(parts.path, dict(parse_qsl(parts.query))))
            return await self._answer_once(target, headers.get("idempotency-key", ""), form)
        except ErrorAnswered as fault:
            return fault.answer

    async def _answer_once(self, path: str, key: str, form: Form) -> Answer | None:
        trouble = self.troubles.popleft() if self.troubles else InjectedFault(is_done=True)
        if trouble.instead is not None:
            return trouble.instead
        if not key:
            self.complaints.append(f"POST {path} without a key")
        self.keys.append(key)
        if key in self._saved:
            return self._replayed(path, key, form)
        if key in self._under_way:
            raise ErrorAnswered(409, "There is currently another in-progress request using this Idempotent Key", is_saved=False)
        self._under_way.add(key)
        try:
            await self.pause()
            answer = self._done(path, form) if trouble.is_done else Answer(500, {})
            answer = trouble.saved or answer
            self._saved[key] = path, form, answer
        except ErrorAnswered as fault:
            if fault.is_saved:
                self._saved[key] = path, form, fault.answer
            raise
        finally:
            self._under_way.discard(key)
        if trouble.drops:
            return None
        if trouble is SILENT:
            await self._stopping.wait()
            return None
        return answer

    def _replayed(self, path: str, key: str, form: Form) -> Answer:
        first_path, first_form, answer = self._saved[key]
        if (path, form) != (first_path, first_form):
            body = {
                "type": "idempotency_error",
                "message": f"Keys for idempotent requests can only be used with the same parameters, not '{key}'",
            }
            return Answer(400, {"error": body})
        return Answer(answer.status, answer.body, {"Idempotent-Replayed": "true"})

    # -- objects

    def _look(self, path: str, query: Form) -> Json:
        match path.strip("/").split("/"):
            case ["v1", "payment_intents", "search"]:
                found = [intent for intent in self.intents.values() if query["query"] == _metadata_query(intent)]
                return {"object": "search_result", "data": found[: int(query["limit"])], "has_more": False}
            case ["v1", "payment_intents", intent_id]:
                return self._intent(intent_id)
            case ["v1", "refunds"]:
                intent = self._intent(query["payment_intent"])
                found = [refund for refund in self.refunds.values() if refund["payment_intent"] == intent["id"]]
                return {"object": "list", "data": found[: int(query.get("limit", "10"))], "has_more": False}
        raise ErrorAnswered(404, f"Unrecognized request URL (GET: {path})")

    def _done(self, path: str, form: Form) -> Answer:
        match path.strip("/").split("/"):
            case ["v1", "payment_intents"]:
                return Answer(200, self._create(form))
            case ["v1", "payment_intents", intent_id, "capture"]:
                return Answer(200, self._capture(self._intent(intent_id), form))
            case ["v1", "payment_intents", intent_id, "cancel"]:
                return Answer(200, self._cancel(self._intent(intent_id)))
            case ["v1", "refunds"]:
                return Answer(200, self._refund(form))
        raise ErrorAnswered(404, f"Unrecognized request URL (POST: {path})")

    def _intent(self, intent_id: str) -> Json:
        if intent_id not in self.intents:
            raise ErrorAnswered(404, f"No such payment_intent: '{intent_id}'", code="resource_missing", param="intent")
        return self.intents[intent_id]

    def _create(self, form: Form) -> Json:
        for name in form:
            if name not in CREATE_PARAMETERS and not name.startswith("metadata["):
                raise ErrorAnswered(
                    400, f"Received unknown parameter: {name}", is_saved=False, code="parameter_unknown", param=name
                )
        currency, amount = form["currency"], int(form["amount"])
        if len(currency) != 3 or not currency.islower():
            raise ErrorAnswered(400, f"Invalid currency: {currency}", is_saved=False, param="currency")
        _require_amount(currency, amount)
        if amount < SMALLEST_CHARGES.get(currency, 1):
            text = f"Amount must be at least {SMALLEST_CHARGES.get(currency, 1)} {currency}"
            raise ErrorAnswered(400, text, is_saved=False, code="amount_too_small", param="amount")
        if form.get("automatic_payment_methods[allow_redirects]") != "never":
            raise ErrorAnswered(400, "you must provide a `return_url`", is_saved=False, param="return_url")
        if (form.get("confirm"), form.get("capture_method")) != ("true", "manual"):
            self.complaints.append("an intent that is not confirmed at once and captured later")
        method = form["payment_method"]
        if method not in STATUS_AFTER_CONFIRMING:
            text = f"No such PaymentMethod: '{method}'"
            raise ErrorAnswered(400, text, is_saved=False, code="resource_missing", param="payment_method")
        intent = self._new_intent(amount, currency, STATUS_AFTER_CONFIRMING[method], form)
        if method == DECLINED:
            text = "Your card was declined."
            raise ErrorAnswered(402, text, code="card_declined", decline_code="generic_decline", payment_intent=dict(intent))
        return dict(intent)

    def _new_intent(self, amount: int, currency: str, status: str, form: Form) -> Json:
        intent_id = f"pi_{len(self.intents) + 1}"
        metadata = {name[9:-1]: text for name, text in form.items() if name.startswith("metadata[")}
        self.intents[intent_id] = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": amount if status == "requires_capture" else 0,
            "amount_received": 0,
            "currency": currency,
            "description": form.get("description"),
            "metadata": metadata,
            "status": status,
        }
        return self.intents[intent_id]

    def _capture(self, intent: Json, form: Form) -> Json:
        if intent["status"] != "requires_capture":
            raise _unexpected_state(intent, "captured")
        amount = int(form["amount_to_capture"])
        if amount > intent["amount_capturable"]:
            text = f"The amount to capture {amount} is greater than the capturable amount {intent['amount_capturable']}."
            raise ErrorAnswered(400, text, code="amount_too_large", param="amount_to_capture")
        intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
        return dict(intent)

    def _cancel(self, intent: Json) -> Json:
        if intent["status"] not in CANCELABLE:
            raise _unexpected_state(intent, "cancelled")
        intent.update(status="canceled", amount_capturable=0)
        return dict(intent)

    def _refund(self, form: Form) -> Json:
        intent = self._intent(form["payment_intent"])
        if intent["status"] != "succeeded":
            raise ErrorAnswered(400, f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
        left = intent["amount_received"] - self.given_back(intent["id"])
        amount = int(form["amount"])
        if not left:
            raise ErrorAnswered(400, "Charge has already been refunded.", code="charge_already_refunded")
        if amount > left:
            raise ErrorAnswered(
                400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
            )
        _require_amount(intent["currency"], amount)
        refund_id = f"re_{len(self.refunds) + 1}"
        self.refunds[refund_id] = {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "currency": intent["currency"],
            "metadata": {name[9:-1]: text for name, text in form.items() if name.startswith("metadata[")},
            "payment_intent": intent["id"],
            "status": self.refund_statuses.popleft() if self.refund_statuses else "succeeded",
        }
        return dict(self.refunds[refund_id])

    def given_back(self, intent_id: str) -> int:
        """Return the sum of an intent's refunds that did not fail."""
        ours = (refund for refund in self.refunds.values() if refund["payment_intent"] == intent_id)
        return sum(refund["amount"] for refund in ours if refund["status"] not in ("failed", "canceled"))


def _require_amount(currency: str, amount: int) -> None:
    """Check an amount by docs.stripe.com/currencies: eight digits, and for some currencies one or two zeros at the end."""
    if not 1 <= amount <= 99_999_999:
        code = "amount_too_large" if amount > 1 else "parameter_invalid_integer"
        raise ErrorAnswered(400, "Amount must be 1 to 99999999", is_saved=False, code=code, param="amount")
    if amount % ZEROS_AT_THE_END.get(currency, 1):
        text = f"Invalid amount: {amount} {currency} has to end with a zero"
        raise ErrorAnswered(400, text, is_saved=False, code="parameter_invalid_integer", param="amount")


def _unexpected_state(intent: Json, done: str) -> ErrorAnswered:
    text = f"This PaymentIntent could not be {done} because it has a status of {intent['status']}."
    return ErrorAnswered(400, text, code="payment_intent_unexpected_state", payment_intent=dict(intent))


def _metadata_query(intent: Json) -> str:
    return f"metadata['seatline_key']:'{intent['metadata'].get('seatline_key')}'"


@asynccontextmanager
async def stripe_server() -> AsyncIterator[StripeServer]:
    """Run a server on a free loopback port. Fail at the end if there were complaints."""
    stripe = StripeServer()
    server = await asyncio.start_server(stripe.serve, "127.0.0.1", 0)
    stripe.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stripe
    finally:
        stripe.stop()
        server.close()
    assert not stripe.complaints
