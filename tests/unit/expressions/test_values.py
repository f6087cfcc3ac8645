"""Truthiness, coercions and the text form of numbers."""

import copy
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.expressions import UNDEFINED, ExpressionError, json_ready, truthy
from shared.expressions.json_text import to_json
from shared.expressions.limits import Allowance
from shared.expressions.numerals import parse_decimal, parse_integer, to_number
from shared.expressions.values import number_to_text, settle, to_text


@pytest.mark.parametrize("value", [UNDEFINED, None, False, 0, 0.0, -0.0, math.nan, ""])
def test_falsy(value: object) -> None:
    assert truthy(value) is False


@pytest.mark.parametrize("value", [[], {}, (), "0", True, 1, -0.5, math.inf, object()])
def test_truthy(value: object) -> None:
    assert truthy(value) is True


def test_undefined_stays_the_one_instance() -> None:
    assert copy.deepcopy(UNDEFINED) is UNDEFINED
    assert pickle.loads(pickle.dumps(UNDEFINED)) is UNDEFINED  # noqa: S301


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("", 0),
        ("  \n", 0),
        (" 12 ", 12),
        ("1.", 1),
        (".5", 0.5),
        ("1e3", 1000),
        ("0x1F", 31),
        ("0b11", 3),
        ("0o17", 15),
        ("-Infinity", -math.inf),
        (None, 0),
        (True, 1),
        ([], 0),
        (["7"], 7),
        ([[["8"]]], 8),
        (10**400, math.inf),
        ("1" * 400, math.inf),
    ],
)
def test_to_number(value: object, number: float) -> None:
    assert to_number(value, Allowance()) == number


@pytest.mark.parametrize(
    "value", [UNDEFINED, {}, [1, 2], "1x", "-0x1", "٣", "infinity", "nan", "1_000", "0x"]
)
def test_not_a_number(value: object) -> None:
    assert math.isnan(to_number(value, Allowance()))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (5.0, "5"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e20, "100000000000000000000"),
        (2.0**64, "18446744073709552000"),
        (1e-6, "0.000001"),
        (-1.5e-5, "-0.000015"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (0.1 + 0.2, "0.30000000000000004"),
        (2**63, "9223372036854775808"),
        (10**21, "1e+21"),
        (123456.75, "123456.75"),
    ],
)
def test_number_to_text(number: float, text: str) -> None:
    assert number_to_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_text_of_a_number_reads_back_as_the_number(number: float) -> None:
    assert to_number(number_to_text(number), Allowance()) == number


@given(st.floats())
def test_settled_numbers_keep_their_value(number: float) -> None:
    settled = settle(number)
    assert settled == number or math.isnan(number)
    assert math.copysign(1, settled) == math.copysign(1, number)


def test_arrays_as_text() -> None:
    assert to_text([1, [None, UNDEFINED, "x"], {}, True], Allowance()) == "1,,,x,[object Object],true"


@pytest.mark.parametrize(
    ("value", "whole", "decimal"),
    [
        ("12.9abc", 12, 12.9),
        ("+3e2", 3, 300),
        (" -7", -7, -7),
        ("0x1fg", 31, 0),
        (5e-7, 5, 5e-7),
        ([8, 9], 8, 8),
    ],
)
def test_prefix_parses(value: object, whole: int, decimal: float) -> None:
    assert parse_integer(value, Allowance()) == whole
    assert parse_decimal(value, Allowance()) == decimal


def test_json_drops_what_json_has_not() -> None:
    value = {"a": UNDEFINED, "b": [UNDEFINED, math.nan, 2.0, -0.0], "c": "é\n"}
    assert to_json(value, Allowance()) == '{"b":[null,null,2,0],"c":"é\\n"}'
    ready = json_ready(value)
    assert ready == {"b": [None, None, 2, 0], "c": "é\n"}
    assert isinstance(ready["b"][2], int)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    for walk in (to_text, to_json):
        with pytest.raises(ExpressionError):
            walk(loop, Allowance())
    with pytest.raises(ExpressionError):
        json_ready(loop)
