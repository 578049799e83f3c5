"""The messages of a call, as bytes.

Belongs here: bytes to a request and an answer to bytes, and what is refused on that way. Does not: what the fields mean
(`requests.py`), nor when a message is read (`guard.py`, `public_services.py`).

gRPC would do both itself, outside of the guard: bytes that are no message would end the call with UNKNOWN and the text of the
library, uncounted, with a traceback in the log for each.
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
    """The request that was read as `data`: its bytes, or EOF.

    Refuses MESSAGE_MALFORMED for bytes that are no such message, and keeps to itself what the library says of them;
    MESSAGE_INCOMPLETE where the client has ended the call without a request; and a field with more elements than it may have.
    """
    if data is grpc.aio.EOF:
        raise Refusal(Reason.MESSAGE_INCOMPLETE, "the call ended before its request had arrived")
    try:
        request = parse(data)
    except (DecodeError, ValueError):  # the second one from the library's implementation in Python
        raise Refusal(Reason.MESSAGE_MALFORMED, "the request is no message of the type that this method takes") from None
    if len(data) > UNCHECKED_BYTES_MAX:
        check_element_counts(request)
    return request
