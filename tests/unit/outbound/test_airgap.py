"""Which addresses may be connected to."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.airgap import AirGap

OPEN = AirGap.of({})
CLOSED = AirGap.of({"enabled": True})


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # the metadata service of most clouds
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "fe80::1%eth0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
    ],
)
def test_web_hooks_yaml_no_ssrf_guard_link_local_and_metadata_addresses_are_refused(address: str) -> None:
    assert OPEN.refusal(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "::1", "192.168.1.1", "8.8.8.8", "2606:4700::1111"]
)
def test_without_an_air_gap_everything_else_may_be_reached(address: str) -> None:
    assert OPEN.refusal(address) == ""


def test_what_the_whitelist_names_is_allowed_though_it_is_link_local() -> None:
    assert AirGap.of({"whitelist": ["169.254.10.0/24"]}).refusal("169.254.10.1") == ""


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "169.254.169.254", "127.1", "x"]
)
def test_an_air_gap_keeps_to_the_private_ranges(address: str) -> None:
    assert CLOSED.refusal(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.9", "172.31.255.255", "192.168.0.1", "fd12::1"])
def test_an_air_gap_lets_private_addresses_pass(address: str) -> None:
    assert CLOSED.refusal(address) == ""


def test_the_blacklist_goes_before_the_whitelist() -> None:
    gap = AirGap.of({"enabled": True, "whitelist": "10.0.0.0/8", "blacklist": ["10.6.6.0/24"]})
    assert gap.refusal("10.1.1.1") == ""
    assert "blacklist" in gap.refusal("10.6.6.6")
    assert "whitelist" in gap.refusal("192.168.1.1")


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_never_opens_a_door(address: IPv4Address) -> None:
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert bool(CLOSED.refusal(wrapped)) == bool(CLOSED.refusal(str(address)))
        assert bool(OPEN.refusal(wrapped)) == bool(OPEN.refusal(str(address)))


def test_a_malformed_entry_is_no_silent_hole() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        AirGap.of({"enabled": True, "whitelist": ["nonsense"]})
