"""Hosts of webhooks: which addresses are public, and which hosts nothing can ever be sent to.

Belongs here: what follows about a host from its text alone. Does not belong here: asking a resolver
(`app/notifications/addresses.py`), nor the rest of a URL (`webhooks.py`).

The ranges are those of IANA's special-purpose registries. `ipaddress.is_global` knows them too, but differently in each patch
release of Python; what is refused must not depend on that.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

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
# The global unicast addresses: no loopback, private, link-local, multicast or mapped address is in this range.
_GLOBAL_UNICAST_IPV6 = ip_network("2000::/3")
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
# "This network", and reserved or broadcast: no receiver has such an address, in any network.
_RESERVED_IPV4_NETWORKS = (ip_network("0.0.0.0/8"), ip_network("240.0.0.0/4"))
# In IPv6-only networks, every IPv4 receiver has an address in this range, with its own in the last 32 bits (NAT64).
_TRANSLATED = ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether this IPv4 or IPv6 address is public; False for text that is not an address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed in _TRANSLATED:
        parsed = IPv4Address(parsed.packed[-4:])
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_IPV4)
    return parsed in _GLOBAL_UNICAST_IPV6 and not any(parsed in network for network in _NOT_PUBLIC_IPV6)


# A host that ends in a number is an IPv4 address, or nothing (WHATWG URL, "ends in a number checker"): programs read
# 2130706433, 0x7f.1 and 0177.0.0.1 as 127.0.0.1, each in its own way, and no top-level domain is a number.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# ICANN delegates letters only, and xn-- labels (Applicant Guidebook 2.2.1.3.2; RFC 1123 section 2.1).
_TOP_LEVEL_DOMAIN = re.compile(r"[A-Za-z]{2,63}|[Xx][Nn]--[A-Za-z0-9-]{1,59}")
# Resolvers answer that these do not exist (RFC 6761, 7686, 9476).
_NEVER_RESOLVED = ("invalid", "onion", "alt")
# Names for use inside a network (RFC 6761, 6762, 8375; ICANN's resolution of 2024-07-29 on .internal).
_INSIDE_ONLY = ("localhost", "local", "internal", "home.arpa", "test", "example")


def unreachable_reason(host: str, *, allow_private: bool) -> str | None:
    """Return why nothing can ever be sent to this host of a URL, as a clause such as "is no public address"; else None.

    An IPv6 address stands in brackets. With `allow_private`, hosts inside private networks are accepted.
    """
    if host.startswith("["):
        return _unreachable_address_reason(host[1:-1], allow_private=allow_private)
    name = host.lower()
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _unreachable_address_reason(name, allow_private=allow_private)
    if _is_below(name, _NEVER_RESOLVED):
        return "is a name that has no addresses anywhere"
    return None if allow_private else _not_public_reason(name)


def _not_public_reason(name: str) -> str | None:
    _, has_domain, top_level = name.rpartition(".")
    if _is_below(name, _INSIDE_ONLY):
        return "is a name inside a network; this service sends to public ones only"
    if not has_domain:
        return "has no domain, such as the .com of example.com; this service sends to public names only"
    if not _TOP_LEVEL_DOMAIN.fullmatch(top_level):
        return f"ends in .{top_level}, which is no top-level domain"
    return None


def _unreachable_address_reason(address: str, *, allow_private: bool) -> str | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "is no IP address; IPv4 has four numbers from 0 to 255 without leading zeros, IPv6 stands in brackets"
    inner = getattr(parsed, "ipv4_mapped", None) or parsed
    is_reserved = any(inner in network for network in _RESERVED_IPV4_NETWORKS)
    needs_zone = isinstance(inner, IPv6Address) and inner.is_link_local
    if inner.is_multicast or inner.is_unspecified or is_reserved or needs_zone:
        return "is an address that no receiver can have"
    if not allow_private and not is_public(address):
        return "is no public address; this service sends to public ones only"
    return None


def _is_below(name: str, domains: tuple[str, ...]) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)
