"""Laws that hold for any text and any context."""

import contextlib
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.expressions import ExpressionError, compile_expression, expand
from shared.expressions.functions import FUNCTIONS
from shared.expressions.limits import MAX_STEPS, Allowance
from shared.expressions.operators import OPERATORS

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0x1f", "(a+)+", "Infinity", "1e400", "😀"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abxy"), inner, max_size=4),
    max_leaves=15,
)
contexts = st.dictionaries(st.sampled_from("abxy"), values, max_size=4)

operands = st.sampled_from(
    ["1", "0", "2.5", "'a'", "''", "'7'", "true", "false", "a", "b", "x", ".a", ".x", "[]", "{}"]
)


def _compose(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from([*OPERATORS, "&&", "||"])
    return st.one_of(
        st.builds("{} {} {}".format, inner, binary, inner),
        st.builds("({})".format, inner),
        st.builds("!{}".format, inner),
        st.builds("-{}".format, inner),
        st.builds("{} ? {} : {}".format, inner, inner, inner),
        st.builds("{} ?: {}".format, inner, inner),
        st.builds("({}).{}".format, inner, st.sampled_from(["a", "b", "length"])),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{a: {}, b: {}}}".format, inner, inner),
        st.builds("{}({}, {}, {})".format, st.sampled_from(sorted(FUNCTIONS)), inner, inner, inner),
    )


expressions = st.recursive(operands, _compose, max_leaves=12)
noise = st.text(alphabet="ab.x1'\"[](){}?:,|&=!<>+-*/%^ \\\n\té@in", max_size=40)


@settings(max_examples=300)
@given(noise | st.text(max_size=40))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    problem: ExpressionError | None = None
    try:
        compile_expression(text).evaluate({})
    except ExpressionError as refused:
        problem = refused
    assert problem is None or problem.position is None or 0 <= problem.position <= len(text)


@settings(max_examples=600)
@given(expressions, contexts)
def test_evaluation_gives_a_value_or_an_expression_error_within_its_steps(
    text: str, context: dict[str, Any]
) -> None:
    expression = compile_expression(text)
    before = repr(context)
    allowance = Allowance()
    problem: ExpressionError | None = None
    try:
        expression.evaluate_within(allowance, context)
    except ExpressionError as failed:
        problem = failed
    # The net below the evaluation exists for hostile context objects; plain data never needs it.
    assert problem is None or not problem.reason.startswith("Expression failed")
    assert allowance.steps > MAX_STEPS - 100_000
    assert repr(context) == before


@given(expressions, contexts)
def test_a_macro_gives_the_same_text_every_time(text: str, context: dict[str, Any]) -> None:
    assert expand(f"<{{{{{text}}}}}>", context) == expand(f"<{{{{{text}}}}}>", context)


@pytest.mark.parametrize(
    "text",
    [
        "l[.n && count(l[.n && count(l[.n])])]",
        "stringify(" + "[l, l, l, l], " * 3 + "l) + " + " + ".join(["l"] * 400),
        " + ".join(["s"] * 1000),
        "[" + ", ".join(["find(l, 'n', '1')"] * 300) + "]",
        " || ".join(["(99999 in l)"] * 400),
        " || ".join(["'zz' in s"] * 600),
        "[" + ", ".join(["encode(s)"] * 500) + "]",
    ],
)
def test_work_is_bounded_by_steps(text: str) -> None:
    context = {"l": [{"n": i} for i in range(1, 3000)], "s": "x" * 100_000}
    with pytest.raises(ExpressionError, match="too many steps"):
        compile_expression(text).evaluate(context)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(expressions, contexts)
def test_no_run_takes_more_than_50_ms(text: str, context: dict[str, Any]) -> None:
    """In processor time, which other processes on the machine do not lengthen."""
    expression = compile_expression(text)
    began = time.thread_time()
    with contextlib.suppress(ExpressionError):
        expression.evaluate(context)
    assert time.thread_time() - began < 0.05
