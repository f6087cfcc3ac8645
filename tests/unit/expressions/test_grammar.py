"""What compiles, what is refused and where, and how operators bind."""

import pytest

from shared.expressions import ExpressionError, compile_expression
from shared.expressions.limits import MAX_DEPTH, MAX_LENGTH, MAX_NODES

REFUSED = [
    ("", 0),
    (" \n", 0),
    ("(", 1),
    ("()", 1),
    ("1 +", 3),
    ("a..b", 2),
    ("a.", 2),
    ("x y", 2),
    ("a = b", 2),
    ("@x", 0),
    ("'open", 0),
    ("a[]", 2),
    ("[1", 2),
    ("{a:}", 3),
    ("{,}", 1),
    ("[1 2]", 3),
    ("f(1)(2)", 4),
    ("(f)(1)", 3),
    ("5(1)", 1),
    ("'a'.b(1)", 5),
    ("a !== b", 4),
    ("x | 1", 4),
    ("a b ? 1 : 2", 2),
    ("1 ? 2", 5),
    ("a.valueOf", 2),
    ("toString", 0),
    ("{constructor: 1}", 1),
    ("__proto__(1)", 0),
    ("a & b", 2),
    ("true(1)", 4),
    ("`x`", 0),
]


@pytest.mark.parametrize(("text", "position"), REFUSED)
def test_refused_with_the_position_of_the_offence(text: str, position: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        compile_expression(text)
    assert refused.value.position == position


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 || 0 && 0", 0),
        ("2 ^ 3 ^ 2", 64),
        ("-2 ^ 2", 4),
        ("--5", 5),
        ("1 - - 1", 2),
        ("'abc'.length", 3),
        ("-5 .x == nope", True),
        ("f ? 1 : 2 ? 3 : 4", 3),
        ("count([1,,2,])", 2),
        ("count([,])", 0),
        ("max(1,,2)", 2),
        ("5in[5]", True),
        (r"'a\'b\'c'", "a'b'c"),
        (r'"a\\"', "a\\"),
        (r"'\\\\'", r"\\" + "\\"),
        ("'two\nlines'", "two\nlines"),
        ("{'x-y': 1}['x-y']", 1),
        ("{true: 1}", ExpressionError),
        ("1e3.x == nope", True),
    ],
)
def test_reading(text: str, value: object) -> None:
    if value is ExpressionError:
        with pytest.raises(ExpressionError):
            compile_expression(text)
    else:
        assert compile_expression(text).evaluate({}) == value


def test_chains_and_paths_are_flat_however_long() -> None:
    assert compile_expression(" || ".join(["a"] * 400) + " || 1").evaluate({}) == 1
    assert compile_expression("a" + ".b" * 1000).evaluate_condition({}) is False


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH,
        "!" * MAX_DEPTH + "1",
        "[" * 4000 + "]" * 4000,
        "a" + "[0]" * MAX_DEPTH,
        "a?1:" * MAX_DEPTH + "1",
        "+".join(["1"] * (MAX_NODES + 1)),
        "1 " * MAX_LENGTH,
    ],
)
def test_caps_refuse_at_compile_time(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text)


def test_just_below_the_depth_cap_evaluates() -> None:
    levels = MAX_DEPTH - 1
    assert compile_expression("(" * levels + "1" + ")" * levels).evaluate({}) == 1


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("list[(.n == 1)]", True),
        ("list[match(.n, 'x')]", True),
        ("list[t ? .n : 0]", True),
        ("list[.n && match(.m, 'x')]", False),
        ("list[0]", False),
        ("list[other[.x == 1].y]", False),
    ],
)
def test_a_bracket_that_only_looks_like_a_filter_is_warned_of(text: str, warned: bool) -> None:
    assert bool(compile_expression(text).warnings) is warned
