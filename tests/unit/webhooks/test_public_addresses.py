"""Public addresses, private ones, and hosts that nothing can ever be sent to."""

import pytest

from app.domain.hosts import is_public, unreachable_reason


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:200::1",
        "2a00:1450:4001:80b::200e",
        "64:ff9b::1.1.1.1",
    ],
)
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - an address like others
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:1.1.1.1",
        "::ffff:0:1.1.1.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1.1.1.1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:101:101::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_of_private_and_special_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["", "localhost", "1.1.1", "01.1.1.1", "1.1.1.1/8", "1.1.1.1:80", "[::1]", "0x01010101"])
def test_text_that_is_not_an_address_is_not_public(address: str) -> None:
    assert not is_public(address)


# -- hosts of URLs

NEVER = [
    "2130706433",
    "0x7f000001",
    "0x7F.1",
    "127.1",
    "0177.0.0.1",
    "1.1.1.256",
    "1.1.1.1.1",
    "hooks.example.123",
    "hooks.example.0x1f",
    "0.0.0.0",  # noqa: S104 - an address like others
    "0.1.2.3",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::::]",
    "[ff02::1]",
    "[fe80::1]",
    "[::ffff:0.0.0.0]",
    "[::ffff:224.0.0.1]",
    "[1::2::3]",
    "hooks.invalid",
    "INVALID",
    "abc.onion",
    "hooks.alt",
]
INSIDE_ONLY = [
    "localhost",
    "LocalHost",
    "api.localhost",
    "hooks",
    "my_host",
    "printer.local",
    "metadata.google.internal",
    "nas.home.arpa",
    "hooks.test",
    "hooks.example",
    "hooks.c_m",
    "hooks.x",
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "192.168.1.1",
    "192.0.2.1",
    "[::1]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "[2001:db8::1]",
]


@pytest.mark.parametrize("host", NEVER)
def test_a_host_that_nothing_can_ever_be_sent_to_is_refused_everywhere(host: str) -> None:
    assert unreachable_reason(host, allow_private=True)
    assert unreachable_reason(host, allow_private=False)


@pytest.mark.parametrize("host", INSIDE_ONLY)
def test_a_host_inside_a_network_is_refused_unless_the_service_sends_there(host: str) -> None:
    assert unreachable_reason(host, allow_private=False)
    assert unreachable_reason(host, allow_private=True) is None


@pytest.mark.parametrize(
    "host",
    [
        "hooks.example.com",
        "Hooks.Example.COM",
        "xn--bcher-kva.com",
        "hooks.xn--p1ai",
        "my_host.example.org",
        "1.example.com",
        "localhost.example.com",
        "not-invalid.com",
        "1.1.1.1",
        "[2606:4700:4700::1111]",
    ],
)
def test_a_public_host_is_accepted(host: str) -> None:
    assert unreachable_reason(host, allow_private=False) is None
