"""What expressions do better than the original's (expressions.md, "Where to be better")."""

import locale
from collections.abc import Iterator

import pytest

from shared.expressions import UNDEFINED, ExpressionError, compile_expression

EXACT = 2**53 + 1
"""The first integer that a double does not have."""


def value(text: str, **context: object) -> object:
    return compile_expression(text).evaluate(context)


@pytest.mark.parametrize("text", ["max(1, -2)", "min(-2, 1, -1) + 3", "[1, -2][0]"])
def test_better_2_a_negative_number_may_follow_a_comma(text: str) -> None:
    assert value(text) == 1


def test_better_6_a_text_that_is_refused_leaves_the_compiled_ones_alone() -> None:
    """Ids of alerts and monitors shared one cache, and a failed save replaced what was in force."""
    before = compile_expression("a + 1")
    with pytest.raises(ExpressionError):
        compile_expression("a + ")
    assert compile_expression("a + 1") is before
    assert before.evaluate({"a": 1}) == 2


@pytest.fixture
def german() -> Iterator[None]:
    before = locale.setlocale(locale.LC_ALL)
    names = ("de_DE.UTF-8", "de_DE", "C.UTF-8", "C")
    for name in names:
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.usefixtures("german")
def test_better_7_numbers_are_written_alike_in_every_locale() -> None:
    assert value("number(1234567.5)") == "1,234,567.5"


@pytest.mark.parametrize(
    "text", ["a['constructor']", "a['__proto__']", "l['push']", "s['__class__']", "l.__len__", "a['get']"]
)
def test_better_8_brackets_reach_own_keys_alone(text: str) -> None:
    assert value(text, a={"b": 1}, l=[1], s="x") is UNDEFINED


def test_better_9_large_integers_are_exact() -> None:
    """Counters of bytes: what is read, compared and subtracted keeps its last digit."""
    assert value("a", a=EXACT) == EXACT
    assert value("a == b", a=EXACT, b=EXACT - 1) is False
    assert value("a > b", a=EXACT, b=EXACT - 1) is True
    assert value("a - b", a=EXACT, b=EXACT - 1) == 1
