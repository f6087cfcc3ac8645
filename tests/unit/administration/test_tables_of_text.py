import csv
import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.administration.tables_of_text import cell, header, rows


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (False, ""),
        (True, "true"),
        (0, "0"),
        (2.5, "2.5"),
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("a\r\nb", "a b"),
        (["a", "b", 3], "a,b,3"),
        ({"a": [1]}, '{"a":[1]}'),
        ([{"a": 1}], '{"a":1}'),
    ],
)
def test_cells(value: Any, text: str) -> None:
    """search.yaml, "Where to be better": the original writes objects as `[object Object]`."""
    assert cell(value) == text


def test_titles_are_those_that_are_known() -> None:
    assert header("jobs", ["id", "event", "own"], "csv") == '"Job ID","Event ID","own"\n'
    assert header("activity", ["id"], "tsv") == "id\n"
    assert header("jobs", ["id"], "ndjson") == ""


def test_ndjson_holds_what_the_record_has() -> None:
    line = rows(["id", "none", "tags"], "ndjson")({"id": "j1", "tags": ["a"], "more": 1})
    assert msgspec.json.decode(line) == {"id": "j1", "tags": ["a"]}


@given(st.lists(st.text(), min_size=2, max_size=2))
def test_a_line_of_csv_is_read_back_as_one(texts: list[str]) -> None:
    line = rows(["a", "b"], "csv")({"a": texts[0], "b": texts[1]})
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[cell(texts[0]), cell(texts[1])]]


def test_tabs_cannot_break_a_line_of_tsv() -> None:
    assert rows(["a", "b"], "tsv")({"a": "x\ty", "b": "z"}) == "x y\tz\n"
