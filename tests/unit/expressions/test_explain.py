"""Why an expression has its value: its parts with theirs."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from shared.expressions import ExpressionError
from shared.expressions.explain import MAX_PARTS, explain, names_of
from tests.unit.expressions.test_fuzz import contexts, expressions

CONTEXT: dict[str, Any] = {
    "monitors": {"load_avg": 9.4},
    "cpu": {"cores": 8},
    "list": [{"n": 1}, {"n": 5}],
    "name": "x" * 300,
}


def parts(text: str) -> dict[str, Any]:
    return {part.text: part.value for part in explain(text, CONTEXT)}


def test_an_alert_tells_each_value_it_read() -> None:
    assert parts("monitors.load_avg >= (cpu.cores + 1)") == {
        "monitors.load_avg >= (cpu.cores + 1)": True,
        "monitors.load_avg": 9.4,
        "cpu.cores + 1": 9,
        "cpu.cores": 8,
    }


@pytest.mark.parametrize(
    ("text", "told", "untold"),
    [
        ("cpu.cores > 100 && monitors.load_avg", "cpu.cores", "monitors.load_avg"),
        ("cpu.cores || monitors.load_avg", "cpu.cores", "monitors.load_avg"),
        ("cpu.cores ? 1 : monitors.load_avg", "cpu.cores", "monitors.load_avg"),
        ("count(list[.n > 2]) > 0", "list[.n > 2]", ".n > 2"),
    ],
)
def test_what_was_not_evaluated_is_not_told(text: str, told: str, untold: str) -> None:
    assert told in parts(text)
    assert untold not in parts(text)


def test_long_values_are_cut_and_errors_told_with_their_part() -> None:
    assert parts("list")["list"] == "(2 items)"
    assert parts("cpu")["cpu"] == "(1 properties)"
    assert len(parts("name")["name"]) == 201
    assert parts("gone.far")["gone.far"] is None
    failed = explain("nothing(cpu.cores)", CONTEXT)
    assert failed[0].error == "Function nothing is not defined"
    assert failed[1].as_dict() == {"text": "cpu.cores", "value": 8}


def test_an_expression_of_a_thousand_parts_is_told_in_part() -> None:
    assert len(explain(" || ".join(f"a{number}" for number in range(500)), {})) == MAX_PARTS
    assert len(explain(" || ".join(["a"] * 900), {})) <= MAX_PARTS


def test_the_names_that_an_expression_reads() -> None:
    assert names_of("offline > 120 && monitors.x[.y] + count(z)") == {"offline", "monitors", "z"}
    with pytest.raises(ExpressionError):
        names_of("a b")


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(expressions, contexts)
def test_any_expression_is_explained_and_the_answer_can_be_stored(text: str, context: dict[str, Any]) -> None:
    told = explain(text, context)
    assert len(told) <= MAX_PARTS
    assert json.loads(msgspec.json.encode([part.as_dict() for part in told])) is not None
