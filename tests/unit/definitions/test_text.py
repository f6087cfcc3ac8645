from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.definitions.json_values import text_of, truthy, whole
from conductor.definitions.text import (
    WORD,
    check_id,
    check_record,
    check_types,
    require,
    stripped,
    stripped_around_macros,
)
from conductor.errors import BadParameter
from shared.schema.reserved import RESERVED_WORDS


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("plain", "plain"),
        ("a <b>bold</b> word", "a bold word"),
        ("1 < 2", "1 < 2"),
        ("a <b", "a <b"),
        ("<<b>script>x", "script>x"),
        ("<\nscript\n>x", "x"),
    ],
)
def test_markup_is_stripped(text: str, rest: str) -> None:
    assert stripped(text) == rest


@given(st.text(alphabet="<>ab/"))
def test_nothing_like_a_tag_is_left(text: str) -> None:
    rest = stripped(text)
    assert "<" not in rest.split(">")[0] or ">" not in rest[rest.find("<") :]


@pytest.mark.parametrize("id", ["a", "a_1", "0a", "emgz"])
def test_good_ids(id: str) -> None:
    assert check_id(id) == id


@pytest.mark.parametrize("id", [None, 5, "", "A", "a-b", "a b", "a\n", "toString", "0", "a" * 129, ["a"], {}])
def test_bad_ids(id: Any) -> None:
    with pytest.raises(BadParameter):
        check_id(id)


@pytest.mark.parametrize("key", sorted(RESERVED_WORDS))
def test_reserved_keys_are_refused(key: str) -> None:
    with pytest.raises(BadParameter, match="illegal key"):
        check_record({key: 1})


@pytest.mark.parametrize(
    "record",
    [{"title": 5}, {"title": None}, {"title": "a<b"}, {"icon": 5}, {"icon": "a b"}, {"icon": ["x"]}],
)
def test_bad_titles_and_icons(record: dict[str, Any]) -> None:
    with pytest.raises(BadParameter):
        check_record(record)


def test_texts_are_cleaned_in_a_copy() -> None:
    record = {"title": "T", "icon": "", "notes": "a<b>c", "label": 5, "message": "", "other": "<i>"}
    assert check_record(record) == {**record, "notes": "ac", "label": "5"}
    assert record["notes"] == "a<b>c"


def test_required_parameters() -> None:
    require({"a": 5}, "a", WORD)
    with pytest.raises(BadParameter, match="Missing parameter: a"):
        require({}, "a", WORD)
    with pytest.raises(BadParameter, match="Malformed parameter: a"):
        require({"a": "x y"}, "a", WORD)


def test_optional_types() -> None:
    check_types({"a": [], "b": {}, "c": None}, {"a": "array", "b": "object", "c": "string", "d": "number"})
    for wrong in ({"a": {}}, {"b": []}, {"c": 5}, {"d": "5"}, {"d": True}):
        with pytest.raises(BadParameter, match="Malformed parameter type"):
            check_types(wrong, {"a": "array", "b": "object", "c": "string", "d": "number"})


@pytest.mark.parametrize(
    ("value", "text", "true"),
    [
        (None, "null", False),
        (True, "true", True),
        (0, "0", False),
        (1.0, "1", True),
        (1.5, "1.5", True),
        ("", "", False),
        ("0", "0", True),
        ([], "", True),
        ([1, None, [2, 3]], "1,,2,3", True),
        ({}, "[object Object]", True),
    ],
)
def test_values_read_as_clients_mean_them(value: Any, text: str, true: bool) -> None:
    assert text_of(value) == text
    assert truthy(value) is true


@pytest.mark.parametrize(("value", "number"), [(5, 5), (5.0, 5), (5.5, None), (True, None), ("5", None)])
def test_whole_numbers(value: Any, number: int | None) -> None:
    assert whole(value) == number


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<b>Low</b> {{ a < b }}", "Low {{ a < b }}"),
        ("{{ a < b }} <i>and</i> {{ c > d }}", "{{ a < b }} and {{ c > d }}"),
        ("{{ a < b }} and {{ c > d }}", "{{ a < b }} and {{ c > d }}"),
        ("<a href={{ x > 1 }}>x</a>", "x"),
        ("a < b {{ c }} > d", "a  d"),
        ("{{ a <\nb > c }}", "{{ a  c }}"),  # a macro ends with its line
        ("{{ }}<b>", "{{ }}"),
        ("\ue0001\ue000 {{ a < b }} <b>", "\ue0001\ue000 {{ a "),
        ("no < markup", "no < markup"),
    ],
)
def test_macros_are_no_markup(text: str, left: str) -> None:
    assert stripped_around_macros(text) == left


@given(st.text(alphabet="<>{} ab\n\ue0001", max_size=30))
def test_stripping_around_macros_is_stripping_where_there_are_none(text: str) -> None:
    assert stripped_around_macros(text.replace("{", "(")) == stripped(text.replace("{", "("))
    left = stripped_around_macros(text)
    assert len(left) <= len(text)
    assert stripped_around_macros(left) == left
