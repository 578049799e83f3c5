"""Addresses: which are public, and which a name has.

Belongs here: the ranges that nobody outside is to send us into, and asking the system's resolver. Does not: connections
(`transport.py`).

The ranges are those of IANA's special-purpose registries. `ipaddress.is_global` knows them too, but differently in each patch
release of Python; what is refused must not depend on that.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# The addresses of a name, for connecting to a port. Raises OSError for a name that has none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NOT_PUBLIC_IPV4 = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's own services, from inside of its networks
            "169.254.0.0/16",  # link-local, and the metadata of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# All that is given out to anybody lies in here: no loopback, no private, link-local, multicast or mapped address does.
_GIVEN_OUT_IPV6 = ip_network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # protocol assignments, among them Teredo, which hides an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which hides an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
# Where only IPv6 is spoken, every IPv4 receiver has an address in here, with its own in the last 32 bits.
_TRANSLATED = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether anybody on the Internet may have this IPv4 or IPv6 address; False for what is none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed in _TRANSLATED:
        parsed = IPv4Address(parsed.packed[-4:])
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_IPV4)
    return parsed in _GIVEN_OUT_IPV6 and not any(parsed in network for network in _NOT_PUBLIC_IPV6)


class SystemResolver:
    """Asks the system for the addresses of a name, as a `Resolve`.

    With threads of its own, as many as there are sends at a time: a name that is slow to resolve holds up nobody else.
    """

    def __init__(self, threads_max: int) -> None:
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`, best first. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnicodeError as error:  # a label of more than 63 letters
            raise OSError(f"{host} is no name") from error
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """Ends it. What is asked for at the moment is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
