"""The status table of contract api/README.md §4, and the shape of errors."""

import msgspec
import pytest

from conductor.api import envelope
from conductor.errors import NotPrimary, Refusal


@pytest.mark.parametrize(
    ("code", "on_versioned", "otherwise"),
    [
        (0, 200, 200),
        ("api", 400, 200),
        ("access", 403, 200),
        ("session", 401, 200),
        ("rate", 429, 200),
        ("notfound", 404, 200),
        ("master", 500, 500),
        ("event", 400, 200),
        ("anything_else", 400, 200),
        ("internal", 500, 500),
        (1, 200, 200),
    ],
)
def test_status(code: object, on_versioned: int, otherwise: int) -> None:
    assert envelope.status(code, shown=True) == on_versioned
    assert envelope.status(code, shown=False) == otherwise


def test_success_puts_code_first_and_ends_the_line() -> None:
    assert envelope.succeeded({"rows": []}) == b'{"code":0,"rows":[]}\n'
    assert envelope.succeeded({}) == b'{"code":0}\n'
    assert envelope.succeeded({"code": "x", "a": 1}) == b'{"code":"x","a":1}\n'


def test_refusals_lose_their_tags() -> None:
    refused = msgspec.json.decode(envelope.refused(Refusal("event", "Bad <b>title</b>: <script>x")))
    assert refused == {"code": "event", "description": "Bad title: x"}


def test_only_the_master_error_names_a_host() -> None:
    assert msgspec.json.decode(envelope.refused(NotPrimary("a.example")))["host"] == "a.example"


def test_pretty_uses_tabs() -> None:
    assert envelope.pretty(b'{"a":["\xc3\xa9"]}\n') == '{\n\t"a": [\n\t\t"é"\n\t]\n}\n'.encode()
