from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.api.criteria import loosely_equal, matches_criteria


@pytest.mark.parametrize(
    ("stored", "wanted", "equal"),
    [
        (1, "1", True),
        (True, "1", True),
        (True, 1, True),
        (True, "true", False),
        ("true", "true", True),
        (False, "0", True),
        (False, "", True),
        (1.5, " 1.5 ", True),
        ("a", "b", False),
        ("1", "1.0", False),
        (["main"], "main", True),
        (["a", "b"], "a,b", True),
        (["a", "b"], "a", False),
        ([1, True, None], "1,true,", True),
        ([], "", True),
        ({"a": 1}, "a", False),
        (None, "", False),
        (None, None, True),
        (0, None, False),
        ("x", 0, False),
    ],
)
def test_loose_equality(stored: Any, wanted: Any, equal: bool) -> None:
    assert loosely_equal(stored, wanted) is equal


def test_every_criterion_counts() -> None:
    doc = {"plugin": "shellplug", "enabled": True}
    assert matches_criteria(doc, {})
    assert matches_criteria(doc, {"plugin": "shellplug", "enabled": "1"})
    assert not matches_criteria(doc, {"plugin": "shellplug", "missing": "1"})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json, json)
def test_it_is_total_and_symmetric_for_scalars(left: Any, right: Any) -> None:
    result = loosely_equal(left, right)
    if not isinstance(left, list | dict) and not isinstance(right, list | dict):
        assert loosely_equal(right, left) is result
