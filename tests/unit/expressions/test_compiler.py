"""Evaluation order, filters, and that nothing but the context can be reached."""

from collections import ChainMap
from typing import Any

import pytest

from shared.expressions import UNDEFINED, ExpressionError, compile_expression


class Record:
    secret = "not data"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"attribute {name} was read")


def test_objects_of_the_host_are_opaque() -> None:
    context = {"record": Record()}
    for text in ("record.secret", "record['secret']", "record.secret.x", "record[.secret].y"):
        try:
            result = compile_expression(text).evaluate(context)
        except ExpressionError:
            continue
        assert result is UNDEFINED


def test_lazily_composed_contexts_are_read_as_mappings() -> None:
    assert compile_expression("a.b + c").evaluate(ChainMap({"a": {"b": 1}}, {"c": 2})) == 3


def test_right_sides_and_branches_are_evaluated_only_when_needed() -> None:
    for text in ("0 && nope[0]", "1 || nope[0]", "1 ? 1 : nope[0]", "0 ? nope[0] : 1", "1 ?: nope[0]"):
        compile_expression(text).evaluate({})
    with pytest.raises(ExpressionError):
        compile_expression("0 + nope[0]").evaluate({})


def test_the_overwritten_member_of_an_object_is_not_evaluated() -> None:
    assert compile_expression("{a: nope[0], a: 2}").evaluate({}) == {"a": 2}


def test_inner_filter_reads_the_inner_element() -> None:
    context = {"hosts": [{"disks": [{"full": 1}, {"full": 0}]}, {"disks": [{"full": 0}]}]}
    expression = compile_expression("count(hosts[.disks && count(.disks[.full == 1]) > 0])")
    assert expression.evaluate(context) == 1


def test_results_are_the_context_itself_and_the_context_is_untouched() -> None:
    context = {"list": [{"n": 1}, {"n": 2}]}
    result = compile_expression("list[.n == 2]").evaluate(context)
    assert result[0] is context["list"][1]
    assert context == {"list": [{"n": 1}, {"n": 2}]}


def test_condition_follows_truthiness() -> None:
    assert compile_expression("list[.n == 5]").evaluate_condition({"list": []}) is True
    assert compile_expression("nope").evaluate_condition({}) is False


def test_equal_texts_are_compiled_once_and_failures_raise_anew() -> None:
    assert compile_expression("a + 1") is compile_expression("a + 1")
    errors = []
    for _ in range(2):
        with pytest.raises(ExpressionError) as refused:
            compile_expression("a +")
        errors.append(refused.value)
    assert errors[0] is not errors[1]


def test_a_misbehaving_value_still_gives_an_expression_error() -> None:
    class Broken(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError

    with pytest.raises(ExpressionError):
        compile_expression("a.b").evaluate({"a": Broken()})
