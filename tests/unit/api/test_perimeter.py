"""Who may connect at all."""

import pytest

from conductor.api.perimeter import Perimeter
from conductor.settings import SettingsError
from conductor.settings_sections import WebServerSettings


@pytest.mark.parametrize(
    ("whitelist", "blacklist", "hosts", "address", "host", "admitted"),
    [
        ([], [], [], "203.0.113.9", "any.example", True),
        (["10.0.0.0/8"], [], [], "10.1.2.3", "x", True),
        (["10.0.0.0/8"], [], [], "203.0.113.9", "x", False),
        (["10.0.0.0/8"], ["10.1.2.3"], [], "10.1.2.3", "x", False),
        ([], ["203.0.113.0/24"], [], "::ffff:203.0.113.9", "x", False),
        ([], [], ["ops.example"], "10.1.2.3", "OPS.example:5522", True),
        ([], [], ["ops.example"], "10.1.2.3", "evil.example", False),
        (["10.0.0.0/8"], [], [], None, "x", False),
    ],
)
def test_perimeter(
    whitelist: list[str],
    blacklist: list[str],
    hosts: list[str],
    address: str | None,
    host: str,
    admitted: bool,
) -> None:
    settings = WebServerSettings(whitelist=whitelist, blacklist=blacklist, allow_hosts=hosts)
    assert Perimeter(settings).admits(address, host) is admitted


def test_a_bad_entry_is_named() -> None:
    with pytest.raises(SettingsError, match=r"WebServer\.whitelist"):
        Perimeter(WebServerSettings(whitelist=["10.0.0.0/99"]))
