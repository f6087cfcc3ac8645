from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.records.search.index import JOBS, SERVERS, Field
from conductor.records.search.language import parse
from conductor.records.search.tree import And, Prefix, Word
from conductor.records.search.words import bucket, number_word, terms, words

PLAIN = Field("f", ("f",))
SHORT = Field("f", ("f",), longest=4)
WHOLE = Field("f", ("f",), whole=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Hello, World", ["hello", "world"]),
        ("don't", ["dont"]),
        ("version 2.5 of 10.1.2.3.", ["version", "2_5", "of", "10_1_2_3"]),
        ("Crème Brûlée Ångström Straße", ["creme", "brulee", "angstrom", "strasse"]),
        ("see https://Example.com:80/a/b?c=d now", ["see", "example", "com", "now"]),
        ("задача 作业", ["задача", "作业"]),
        ("snake_case", ["snake_case"]),
        (5, ["5"]),
        (5.0, ["5"]),
        (2.5, ["2_5"]),
        (True, ["true"]),
        (["a", "B c"], ["a", "b", "c"]),
        ([1, "x"], ["1", "x"]),
        ({"key": ["v"]}, ["key", "v"]),
        ("", []),
        ([], []),
        ("x" * 256, []),
    ],
)
def test_words(value: Any, expected: list[str]) -> None:
    assert words(value, PLAIN) == expected


def test_lengths_and_whole_values() -> None:
    assert words("four fives", SHORT) == ["four"]
    assert words("Intel(R) Xeon @ 2.5", WHOLE) == ["intel_r_xeon_2_5"]


def test_the_terms_of_a_job() -> None:
    job = {
        "id": "j1",
        "type": "workflow",
        "code": 0,
        "event": "Nightly",
        "tags": ["_success", "_last"],
        "groups": [],
        "category": None,
        "workflow": {"event": "parent"},
        "completed": 1.0,
        "title": "not searched",
    }
    assert terms(JOBS, job) == {
        ("type", "workflow"),
        ("code", "0"),
        ("event", "nightly"),
        ("tags", "_success"),
        ("tags", "_last"),
        ("workflow", "parent"),
    }
    assert terms(JOBS, {"workflow": "none", "tags": ""}) == set()


def test_numbers_without_a_column_are_words_in_order() -> None:
    assert terms(SERVERS, {"created": 7201}) == {("created", number_word(2))}


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.sampled_from([1, 3600]))
def test_number_words_sort_as_numbers(one: int, other: int, divide: int) -> None:
    low, high = sorted((bucket(one, divide), bucket(other, divide)))
    assert (number_word(low) < number_word(high)) == (low < high)


@given(st.text(min_size=1, max_size=20))
def test_a_stored_value_is_found_by_itself(text: str) -> None:
    stored = {word for field, word in terms(JOBS, {"tags": [text]}) if field == "tags"}
    quoted = text.replace('"', " ")
    tree = parse(f'tags:"{quoted}"', JOBS, 0.0)
    asked = tree.parts if isinstance(tree, And) else (tree,)
    assert {node.word for node in asked if isinstance(node, Word)} <= stored | set(words(quoted, PLAIN))
    assert all(node.start in stored for node in asked if isinstance(node, Prefix) and '"' not in text)
    if '"' not in text and not text.endswith("*"):  # a star asks for beginnings of words
        assert {node.word for node in asked if isinstance(node, Word)} == stored
