"""Every worked example of the contract: expressions, macro texts and monitor values."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.expressions import (
    UNDEFINED,
    ExpressionError,
    compile_expression,
    expand,
)
from shared.expressions.measures import monitor_value

DATA = yaml.safe_load(
    (Path(__file__).parents[2] / "data" / "expressions_examples.yaml").read_text(encoding="utf-8")
)
CONTEXTS = DATA["contexts"]

# What the superset gives where the original refuses; None of these may turn into something else by accident.
SUPERSET: dict[str, Any] = {
    '{"a": 1}': {"a": 1},
    ".5 + 1": 1.5,
    "1e3": 1000,
    "0x10": 16,
    "-x": -3,
    "-(1)": -1,
    "[1, -2]": [1, -2],
    "clamp(5, -1, 3)": 3,
    "min(1,2) ? 1 : 2": 1,
    '1 == min(1,2) ? "y" : "n"': "y",
    "obj.in": 6,
    "[1,2,3][0]": 1,
    "(list)[0]": 10,
}


class Lookups:
    def server(self, server_id: str, /) -> Any:
        known = DATA["lookups"]
        return known["online_servers"].get(server_id) or known["recently_offline_servers"].get(server_id)

    def event(self, event_id: str, /) -> Any:
        return DATA["lookups"]["events"].get(event_id)

    def active_job(self, job_id: str, /) -> Any:
        return DATA["lookups"]["active_jobs"].get(job_id)


def same(result: Any, expected: Any) -> bool:
    """Equal in value and kind; numbers of a context may be whole doubles, computed ones may not."""
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(result, float) and math.isnan(result)
    if isinstance(expected, bool) or isinstance(result, bool):
        return result is expected
    if isinstance(expected, (int, float)):
        if type(result) not in (int, float) or result != expected:
            return False
        return isinstance(result, int) or not result.is_integer() or abs(result) > 2**53
    if isinstance(expected, list):
        return isinstance(result, list) and len(result) == len(expected) and all(map(same, result, expected))
    if isinstance(expected, dict):
        return (
            isinstance(result, dict)
            and list(result) == list(expected)
            and all(same(result[key], value) for key, value in expected.items())
        )
    return type(result) is type(expected) and result == expected


@pytest.mark.parametrize("case", DATA["expressions"], ids=lambda case: f"{case['n']}: {case['expr']}")
def test_expression(case: dict[str, Any]) -> None:
    text, context = case["expr"], CONTEXTS[case["context"]]
    if text == "( x":  # the contract allows to refuse an unclosed parenthesis
        with pytest.raises(ExpressionError):
            compile_expression(text)
    elif case.get("superset_ok"):
        assert same(compile_expression(text).evaluate(context), SUPERSET[text])
    elif case.get("error") == "compile":
        with pytest.raises(ExpressionError) as refused:
            compile_expression(text)
        assert refused.value.position is not None
        assert 0 <= refused.value.position <= len(text)
    elif case.get("error") == "eval":
        expression = compile_expression(text)
        with pytest.raises(ExpressionError):
            expression.evaluate(context, Lookups())
    elif case.get("undefined"):
        assert compile_expression(text).evaluate(context, Lookups()) is UNDEFINED
    else:
        assert same(compile_expression(text).evaluate(context, Lookups()), case["result"])


@pytest.mark.parametrize("case", DATA["macros"], ids=lambda case: f"{case['n']}: {case['text']!r}")
def test_macro(case: dict[str, Any]) -> None:
    result = expand(case["text"], CONTEXTS[case["context"]], case["undef"])
    expected = case.get("once", case["result"])
    if "(ERROR: " in expected:
        assert result.startswith(expected[: expected.index("(ERROR: ") + len("(ERROR: ")])
    else:
        assert result == expected


@pytest.mark.parametrize("case", DATA["monitor_values"], ids=lambda case: f"{case['n']}: {case['source']}")
def test_monitor_value(case: dict[str, Any]) -> None:
    try:
        value = compile_expression(case["source"]).evaluate(DATA["monitor_context"])
    except ExpressionError:
        value = 0  # contract §7: an error stands for 0
    assert same(monitor_value(value, case["data_type"], case.get("data_match", "")), case["value"])


def test_all_examples_are_here() -> None:
    assert (len(DATA["expressions"]), len(DATA["macros"]), len(DATA["monitor_values"])) == (393, 39, 42)
