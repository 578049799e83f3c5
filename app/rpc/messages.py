"""Decoding requests.

Belongs here: bytes to a request, and what is refused in doing so. Does not belong here: what the fields mean
(`<resource>/requests.py`), nor when a message is read (`guard.py`, `public_services.py`).

gRPC would decode requests itself, outside the guard: undecodable bytes would end the call with UNKNOWN and the library's text,
without being counted, and with a traceback in the log each time.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from app.domain.refusals import Reason, Refusal
from app.rpc.element_counts import UNCHECKED_BYTES_MAX, check_element_counts

Parse: TypeAlias = Callable[[bytes], Any]
Serialize: TypeAlias = Callable[[Any], bytes]


def parse_request(data: Any, parse: Parse) -> Any:
    """Decode a request from `data`: its bytes, or EOF.

    Refuses MESSAGE_MALFORMED for undecodable bytes, without the library's text; MESSAGE_INCOMPLETE where the client has ended
    the call without a request; and INVALID_FIELD for a field with too many elements.
    """
    if data is grpc.aio.EOF:
        raise Refusal(Reason.MESSAGE_INCOMPLETE, "the call ended before its request had arrived")
    try:
        request = parse(data)
    except (DecodeError, ValueError):  # ValueError comes from protobuf's implementation in Python
        raise Refusal(Reason.MESSAGE_MALFORMED, "the request is no message of the type that this method takes") from None
    if len(data) > UNCHECKED_BYTES_MAX:
        check_element_counts(request)
    return request
