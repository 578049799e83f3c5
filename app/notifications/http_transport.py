"""HTTP over connections to checked addresses.

Belongs here: an httpx transport that resolves a name once, checks all its addresses, and connects to exactly those. Does not
belong here: which addresses are public (`app/domain/hosts.py`), nor what is sent (`webhook_sender.py`).

A name that is resolved once for the check and again for the connection may have another address by then (DNS rebinding). So
only the connecting is replaced: the Host header, the server name in TLS, the check of its certificate and the pool of open
connections go by the name in the URL.
"""

import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import httpcore
import httpx

from app.domain.hosts import is_public
from app.notifications.addresses import Resolve

# Further addresses of a name rarely help where these fail; each gets its share of the time.
ADDRESSES_TRIED_MAX = 3
# Receivers commonly close connections that were idle for 5 seconds or more. Closing first saves attempts on closed ones.
_IDLE_SECONDS_MAX = 4.0
_CAUSES_MAX = 10  # errors, each raised from the next; libraries stack three or four

# What sending may raise instead of returning an answer.
FAILURES = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    OSError,
)


def failure_text(error: BaseException) -> str:
    """Return what went wrong, for people: the reason at the bottom of a chain of errors. Contains none of our addresses."""
    causes = [error]
    for _ in range(_CAUSES_MAX):
        # httpcore loses the `__cause__` on the way.
        below = causes[-1].__cause__ or causes[-1].__context__
        if below is None:
            break
        causes.append(below)
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, (ssl.SSLError, socket.gaierror)):
            return os.strerror(cause.errno)
    return str(error) or type(error).__name__


class AddressRefusedError(httpx.TransportError):
    """A name has an address that this service does not send to; nothing was sent."""


class CheckedConnections(httpcore.AsyncNetworkBackend):
    """Connects to names whose addresses are all public, by those addresses.

    `connect` connects to an address; `resolve` returns the addresses of a name.
    """

    def __init__(self, resolve: Resolve, connect: httpcore.AsyncNetworkBackend, *, allow_private_addresses: bool) -> None:
        self._resolve = resolve
        self._connect = connect
        self._allow_private_addresses = allow_private_addresses

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as the base class has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to `host` within `timeout` seconds. Raises AddressRefusedError, or FAILURES when no address answers."""
        addresses = (await self._checked(host, port))[:ADDRESSES_TRIED_MAX]
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return _Stream(await self._connect.connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Stream(await self._connect.connect_tcp(addresses[-1], port, share, local_address, socket_options))

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"the name {host} has no address: {error.strerror or error}") from error
        if not addresses:
            raise httpx.ConnectError(f"the name {host} has no address")
        if not self._allow_private_addresses and not all(map(is_public, addresses)):
            raise AddressRefusedError(f"{host} has an address that is not public")
        return addresses


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is closed when the TLS handshake fails or times out; httpcore's would stay open."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as the base class has it
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as the base class has it
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as the base class has it
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends requests of httpx over `connections`, at most `connections_max` at a time; httpx's own transport accepts none."""

    def __init__(self, connections: CheckedConnections, tls: ssl.SSLContext, connections_max: int) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections_max,
            max_keepalive_connections=connections_max,
            keepalive_expiry=_IDLE_SECONDS_MAX,
            network_backend=connections,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return the answer, whose body is still to be read. Raises FAILURES."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer, as httpx reads it."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()
