"""Where new satellites are told to find us (contract api/satellite.yaml, get_satellite_token)."""

from typing import Any, cast

import pytest

from conductor.fleet.enrolment import Enrolment
from conductor.settings import Settings
from conductor.settings_sections import WebServerSettings


@pytest.mark.parametrize(
    ("config", "base_app_url", "expected"),
    [
        ({}, "", "http://ops1:5580"),
        ({"secure": True}, "", "https://ops1:5581"),
        ({"port": 80}, "", "http://ops1"),
        ({"port": 443, "secure": True}, "", "https://ops1"),
        ({"port": 80, "secure": True}, "", "https://ops1:80"),
        ({"host": "front.lan"}, "", "http://front.lan:5580"),
        ({"host": "front.lan", "port": 443, "secure": True}, "https://ops.lan", "https://front.lan"),
        ({}, "https://ops.lan/", "https://ops.lan"),
    ],
)
def test_the_one_line_names_a_url_that_other_hosts_reach(
    config: dict[str, Any], base_app_url: str, expected: str
) -> None:
    """It was the default, http://localhost:5522, on every installation that had not set base_app_url."""
    settings = Settings(
        hostname="OPS1",
        satellite={"config": config},
        WebServer=WebServerSettings(port=5580, https_port=5581),
        **({"base_app_url": base_app_url} if base_app_url else {}),
    )
    nothing = cast(Any, None)
    assert Enrolment(nothing, nothing, settings, nothing).base_url() == expected
