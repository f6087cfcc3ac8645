import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.administration.backup import selection
from conductor.administration.backup.lines import BadLine, Command, Line, Put, Record, encoded, parse
from conductor.administration.backup.lists import lines, list_of
from conductor.errors import AccessDenied, Refusal

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
any_line = (
    st.builds(Put, st.text(), values)
    | st.builds(Record, st.text(), st.text(), st.dictionaries(st.text(max_size=5), values, max_size=3))
    | st.builds(Command, st.text(), st.lists(values, max_size=3).map(tuple))
)


@given(any_line)
def test_a_line_is_read_as_it_was_written(line: Line) -> None:
    assert parse(encoded(line)) == line


@given(st.binary(max_size=60) | values.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
def test_anything_else_is_a_comment_or_a_bad_line(text: bytes) -> None:
    with contextlib.suppress(BadLine):
        assert parse(text) is None or text.lstrip().startswith(b"{")


@pytest.mark.parametrize(
    "text",
    [b"{", b"{}", b'{"key":1,"value":1}', b'{"index":"jobs","id":1}', b'{"cmd":"put"}', b'{"a":' * 5000],
)
def test_bad_lines(text: bytes) -> None:
    with pytest.raises(BadLine):
        parse(text)


def test_a_list_is_written_as_the_original_pages_it() -> None:
    made = lines("tags", [{"id": f"t{n}"} for n in range(205)])
    assert made[0] == Command("listDelete", ("global/tags", False))
    assert isinstance(made[1], Put)
    assert made[1].value["last_page"] == 2
    assert made[1].value["length"] == 205
    assert isinstance(made[4], Put)
    assert made[4].key == "global/tags/2"
    assert [list_of(line.key) for line in made if isinstance(line, Put)] == ["tags"] * 4
    assert list_of("global/tags/-1") == "tags"
    assert list_of("global/state") is None


def test_all_of_everything_is_every_part_once() -> None:
    items = selection.selected({"lists": "all", "indexes": "all", "extras": "all"})
    named = [(item.type, item.key or item.index) for item in items]
    assert len(named) == len(set(named))
    assert {item.type for item in items} == {
        "list",
        "users",
        "bucketData",
        "secretData",
        "state",
        "index",
        "jobFiles",
        "ticketFiles",
        "bucketFiles",
        "monitorData",
    }


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"lists": []},
        {"lists": 5},
        {"items": {}},
        {"items": []},
        {"items": [5]},
        {"items": [{"type": []}]},
    ],
)
def test_malformed_selections_are_refused(params: dict[str, Any]) -> None:
    """admin.yaml, "Where to be better": in the original they can end the process."""
    with pytest.raises(Refusal):
        selection.selected(params)


@pytest.mark.parametrize(
    "params",
    [
        {"lists": ["users"]},
        {"lists": ["api_keys"]},
        {"lists": ["secrets"]},
        {"indexes": ["activity"]},
        {"items": [{"type": "secretData"}]},
        {"items": [{"type": "list", "key": "api_keys"}]},
    ],
)
def test_the_privilege_to_export_reads_no_hashes_and_no_audit_log(params: dict[str, Any]) -> None:
    """admin.yaml, "Where to be better": in the original it does."""
    items = selection.selected(params)
    selection.require_admin_for(items, admin=True)
    with pytest.raises(AccessDenied):
        selection.require_admin_for(items, admin=False)
