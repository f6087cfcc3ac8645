"""Expressions that probably do not mean what they say (expressions.md, "Where to be better" 2 and 4)."""

import pytest

from shared.expressions import compile_expression
from shared.expressions.hints import ALWAYS_TRUE, hints, hints_of_result

LIST = {"list": [{"n": 1, "name": "web"}, {"n": 5, "name": "db"}]}


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("list[(.n == 1)]", "no filter"),
        ('list[match(.name, "b")]', "no filter"),
        ("count(list[[.n]]) > 1", "no filter"),
        ("a || b && c", "left to right"),
        ("x > 1 && (a && b || c)", "left to right"),
    ],
)
def test_what_is_pointed_out(text: str, about: str) -> None:
    (hint,) = hints(text)
    assert about in hint


@pytest.mark.parametrize(
    "text",
    [
        "list[.n == 1]", 'list[.n && match(.name, "b")]', "list[0].name", "a && b && c", "a || (b && c)",
        "count(list[.n > 1]) > 0", "list[.n > 1][.n < 3][0].name", "monitors.load_avg >= (cpu.cores + 1)",
    ],
)  # fmt: skip
def test_what_is_not(text: str) -> None:
    assert hints(text) == []


def test_what_is_pointed_out_is_so() -> None:
    """The bracket keeps nothing, and the filter that was meant does."""
    assert compile_expression("count(list[(.n == 1)])").evaluate(LIST) == 0
    assert compile_expression("count(list[.n == 1])").evaluate(LIST) == 1


def test_a_list_as_a_result_is_always_true() -> None:
    for text in ("list[.n == 7]", "{a: 1}"):
        expression = compile_expression(text)
        assert expression.evaluate_condition(LIST) is True
        assert hints_of_result(expression.evaluate(LIST)) == [ALWAYS_TRUE]
    assert hints_of_result(compile_expression("count(list[.n == 7])").evaluate(LIST)) == []
