"""What may stand in a script that root runs."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import BadParameter
from conductor.packages import script

TOKEN = "a" * 64
CHECKSUMS = {"satellite-linux-x64.tar.gz": "0" * 64}


@pytest.mark.parametrize(
    "host", ["conductor1.lan", "conductor1.lan:5522", "10.0.0.1:80", "[::1]:5522", "[fe80::1]", "a_b"]
)
def test_a_host_header_becomes_the_base_url(host: str) -> None:
    assert script.base_url(host, secure=False, configured="") == f"http://{host}"
    assert script.base_url(host, secure=True, configured="") == f"https://{host}"


@given(st.text())
def test_no_host_header_can_leave_its_quotes(host: str) -> None:
    try:
        base = script.base_url(host, secure=False, configured="http://here:5522")
    except BadParameter:
        return
    assert not set(base) & set("\"'$`\\ \n;|&<>()*?")


def test_a_configured_url_is_checked_as_well() -> None:
    with pytest.raises(BadParameter):
        script.base_url("$(id)", secure=False, configured="http://$(id)")


@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_no_parameter_of_the_url_can_leave_its_quotes(extra: dict[str, str]) -> None:
    text = script.install(token=TOKEN, base="http://c", checksums=CHECKSUMS, ca="", extra=extra, server_id="")
    plain = script.install(token=TOKEN, base="http://c", checksums=CHECKSUMS, ca="", extra={}, server_id="")
    assert len(text.splitlines()) == len(plain.splitlines())
    (line,) = (line for line in text.splitlines() if line.startswith("CONFIG_URL="))
    assert line.count('"') == 2
    assert set(line) <= set(plain) | set("%&=ABCDEF0123456789_.-~") | set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    )


def test_a_certificate_that_is_none_is_left_out() -> None:
    text = script.upgrade(token=TOKEN, base="http://c", checksums=CHECKSUMS, ca='"; id; "', server_id="s1")
    assert 'CA=""' in text.splitlines()


@pytest.mark.parametrize("kind", ["install", "upgrade"])
def test_the_scripts_are_shell(kind: str) -> None:
    ca = "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n"
    if kind == "install":
        text = script.install(
            token=TOKEN, base="http://c", checksums=CHECKSUMS, ca=ca, extra={"title": "a b"}, server_id=""
        )
    else:
        text = script.upgrade(token=TOKEN, base="http://c", checksums=CHECKSUMS, ca=ca, server_id="s1")
    assert "@" not in text.replace('"$@"', "")
    checked = subprocess.run(
        ["sh", "-n"], input=text, text=True, capture_output=True, check=False, timeout=10
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("query", "initial"),
    [
        ({}, {}),
        ({"t": "x", "os": "linux"}, {}),
        ({"title": "A", "icon": "i", "groups": "a,b,", "enabled": "0"},
         {"title": "A", "icon": "i", "groups": ["a", "b"], "enabled": False}),
        ({"groups": ["a", 1]}, {"groups": ["a", "1"]}),
        ({"title": {"no": "text"}, "groups": "", "enabled": "yes"}, {"enabled": True}),
    ],
)  # fmt: skip
def test_first_properties_have_their_types(query: dict[str, object], initial: dict[str, object]) -> None:
    assert script.initial_of(query) == initial
