"""Macro expansion: one pass, errors in the text, fallbacks, filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.expressions import ExpressionError, check_macros, expand
from shared.expressions.functions import percent_encode
from shared.expressions.limits import MAX_MACROS


@given(st.text(alphabet="{} ab1+\n", max_size=40))
def test_what_a_macro_yields_is_never_expanded(value: str) -> None:
    context = {"v": "<" + value + ">", "a": "LEAKED", "b": "LEAKED", "ab": "LEAKED"}
    assert expand("x {{v}} y", context) == f"x <{value}> y"
    assert expand("{{missing}}", context, "{{a}}") == "{{a}}"
    assert "LEAKED" not in expand("{{ [v] }}{{ {k: v} }}", context)


def test_two_values_that_form_a_macro_together_stay_text() -> None:
    assert expand("{{l}}{{r}}", {"l": "{{a", "r": "}}", "a": "LEAKED"}) == "{{a}}"


@given(st.text(max_size=60))
def test_text_without_macros_is_unchanged(text: str) -> None:
    if "{{" not in text:
        assert expand(text, {}) == text


@given(st.text(alphabet="{}ab[]0. \r\n+'", max_size=60))
def test_expansion_never_raises(text: str) -> None:
    expand(text, {"a": [1], "b": {"a": None}})


def test_the_filter_sees_values_fallbacks_and_errors() -> None:
    def encode(value: object) -> str:
        return percent_encode(str(value))

    result = expand("/{{a}}/{{nope}}/{{1 +}}", {"a": "x y"}, "n/a", value_filter=encode)
    assert result.startswith("/x%20y/n%2Fa/(ERROR%3A%20")


def test_a_filter_may_replace_empty_texts() -> None:
    assert expand("[{{a}}]", {"a": ""}, "n/a", value_filter=lambda value: value or "n/a") == "[n/a]"


def test_braces_inside_json_are_reduced() -> None:
    assert expand("{{o}}", {"o": {"s": "{{a}} {{b"}}) == '{"s":"a {{b"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{a\n{{a}}", "{{a\n1"),
        ("{{\r{{a}} }}", "{{\r1 }}"),
        ("{{{{a}}", "(ERROR: "),
        ("{{}} }}", "(ERROR: "),
        ("{{a}}}", "1}"),
        ("{{'}}'}}", "(ERROR: "),
    ],
)
def test_where_macros_start_and_end(text: str, expected: str) -> None:
    assert expand(text, {"a": 1}).startswith(expected)


def test_check_positions_the_error_in_the_whole_text() -> None:
    check_macros("fine {{a}} and {{b ? 1 : 2}} {{}} {{x\n}}")
    with pytest.raises(ExpressionError) as refused:
        check_macros("ok {{a}} bad {{ a b }}")
    assert refused.value.position == "ok {{a}} bad {{ a b }}".index("b }}")


def test_too_many_macros_are_errors_not_work() -> None:
    text = "{{a}}" * (MAX_MACROS + 1)
    assert expand(text, {"a": 1}) == "1" * MAX_MACROS + "(ERROR: Text has too many macros)"
    with pytest.raises(ExpressionError):
        check_macros(text)


def test_large_values_cannot_be_multiplied_without_limit() -> None:
    result = expand("{{a}}" * MAX_MACROS, {"a": "x" * 1_000_000})
    assert len(result) < 20_000_000
    assert result.endswith("(ERROR: Expression takes too many steps)")


def test_unclosed_braces_take_linear_time() -> None:
    expand("{" * 300_000 + "\n" * 10 + "{{" * 300_000, {})
