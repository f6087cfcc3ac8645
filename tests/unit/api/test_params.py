import contextlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.api import query
from conductor.api.call import UploadedFile
from conductor.api.endpoint import DefinitionId
from conductor.api.params import check_files, check_writing, decoder, merged
from conductor.errors import BadParameter


class Inner(msgspec.Struct):
    name: str


class Wanted(msgspec.Struct, kw_only=True):
    id: DefinitionId
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    flag: bool = False
    ids: list[str] = []
    data: dict[str, Any] = {}
    inner: Inner | None = None


decode = decoder(Wanted)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({}, "Missing parameter: id"),
        ({"id": None}, "Parameter is not type string: id"),
        ({"id": 5}, "Parameter is not type string: id"),
        ({"id": "a b"}, "Malformed parameter: id"),
        ({"id": "a\n"}, "Malformed parameter: id"),
        ({"id": "é"}, "Malformed parameter: id"),
        ({"id": "a", "count": "many"}, "Parameter is not type integer: count"),
        ({"id": "a", "count": 0}, "Malformed parameter: count"),
        ({"id": "a", "ids": "x"}, "Parameter is not an array: ids"),
        ({"id": "a", "ids": [1]}, "Parameter is not type string: ids[0]"),
        ({"id": "a", "data": []}, "Parameter is not type object: data"),
        ({"id": "a", "inner": {}}, "Missing parameter: inner.name"),
    ],
)
def test_texts(raw: dict[str, Any], text: str) -> None:
    with pytest.raises(BadParameter) as caught:
        decode(raw)
    assert caught.value.description == text


def test_query_strings_are_coerced() -> None:
    made = decode({"id": "a", "count": "5", "flag": "1", "unknown": "x"})
    assert (made.count, made.flag) == (5, True)


def test_the_stronger_side_wins() -> None:
    assert merged({"a": 1, "b": 1}, {"b": 2}) == {"a": 1, "b": 2}
    assert merged({"a": 1}, {}) == {"a": 1}


@pytest.mark.parametrize(
    "params",
    [
        {"id": 5},
        {"id": "constructor"},
        {"__proto__": 1},
        {"0": 1},
        {"title": "a<b"},
        {"title": None},
        {"icon": "a b"},
        {"icon": ["x"]},
        {"notes": {"a": 1}},
    ],
)
def test_rules_of_writing(params: dict[str, Any]) -> None:
    with pytest.raises(BadParameter):
        check_writing(params)


def test_tags_are_removed_in_place() -> None:
    params = {"notes": "a <b>c</b>", "label": 5, "message": True, "title": "fine", "icon": ""}
    check_writing(params)
    assert params == {"notes": "a c", "label": "5", "message": "true", "title": "fine", "icon": ""}


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(st.sampled_from(["id", "title", "icon", "notes", "count", "ids", "data", "inner"]), json)
)
def test_any_parameters_are_taken_or_refused(params: dict[str, Any]) -> None:
    for check in (decode, check_writing):
        with contextlib.suppress(BadParameter):
            check(params)


def test_files_need_a_name_and_content() -> None:
    def file(name: str, size: int) -> UploadedFile:
        return UploadedFile("f", Path("x"), "", name, size, 0.0)

    check_files([file("a.txt", 1), file(".x", 1)], empty_allowed=False)
    check_files([file("a.txt", 0)], empty_allowed=True)
    for bad in (file("", 1), file("..", 1), file("a.txt", 0)):
        with pytest.raises(BadParameter):
            check_files([bad], empty_allowed=False)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("a=%20+x&b", {"a": "  x", "b": ""}),
        ("a=b=c&&", {"a": "b=c"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("params/foo=bar", {"params/foo": "bar"}),
    ],
)
def test_query_strings(text: str, fields: dict[str, Any]) -> None:
    assert query.parse(text) == fields


@given(st.text())
def test_any_query_is_encodable(text: str) -> None:
    msgspec.json.encode(query.parse(text.encode(errors="surrogatepass").decode(errors="surrogateescape")))


def test_too_many_fields() -> None:
    with pytest.raises(BadParameter):
        query.parse("&" * 2_000)
