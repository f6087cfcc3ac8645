"""ECMAScript patterns on the guarded engine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.expressions import ExpressionError, compile_expression, compile_pattern
from shared.expressions.ecmascript import translate
from shared.expressions.limits import MAX_PATTERN_LENGTH, MAX_SUBJECT_LENGTH, Allowance

MATCHING = [
    (r"\d", "7", True),
    (r"\d", "٣", False),
    (r"^\w+$", "é", False),
    (r"\bé", "é", False),
    (r"\s", "\u00a0", True),
    (r"\S", "\ufeff", False),
    ("a$", "a\n", False),
    ("^b", "a\nb", False),
    ("a.b", "a\rb", False),
    ("a.b", "a\x0bb", True),
    ("[^]", "\n", True),
    ("[]", "a", False),
    ("(?!)", "", False),
    (r"a\/b", "a/b", True),
    (r"\u0041", "A", True),
    (r"\u{41}", "u" * 41, True),
    (r"\x4", "x4", True),
    (r"\ud83d\ude00", "😀", True),
    (r"(?<y>\d)-\k<y>", "1-1", True),
    (r"(a)|b\1", "b", True),
    (r"\1(a)", "a", True),
    (r"(a\1)", "a", True),
    (r"\0", "\0", True),
    (r"\8", "8", True),
    (r"\101", "A", True),
    ("(?<=a+)b", "aab", True),
    ("(?<!a{1,3})b", "cb", True),
    ("a{", "a{", True),
    ("a{,2}", "a{,2}", True),
    ("x{2,3}?", "xx", True),
    ("a}]", "a}]", True),
    (r"[\d-x]", "-", True),
    (r"[\w-]", "-", True),
    (r"[^\W]", "-", False),
    (r"[\b]", "\x08", True),
    (r"\cJ", "\n", True),
    (r"\c", r"\c", True),
    ("[[:alpha:]]", ":]", True),
    ("[[:alpha:]]", "b]", False),
    ("(?:abc){e}", "abd", False),
    ("(?=a)*b", "b", True),
    (r"\p", "p", True),
    ("#x y", "#x y", True),
    ("^(?:.+.+)+$", "abcd", True),
    ("(?:x){0,99999999999}y", "y", True),
    ("[&&~~||a]", "&", True),
    ("ß", "ẞ", False),
]


@pytest.mark.parametrize(("pattern", "subject", "expected"), MATCHING)
def test_meaning(pattern: str, subject: str, expected: bool) -> None:
    assert (compile_pattern(pattern).search(subject) is not None) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[",
        "a\\",
        "*",
        "a**",
        "a++",
        "^*",
        "(?<=a)*",
        "{1}",
        "a{2,1}",
        "[b-a]",
        "(?i:a)",
        "(?i)a",
        "(?P<n>a)",
        "(?>a)",
        "(?#c)",
        "(?<n>a)(?<n>b)",
        r"(?<n>a)\k<m>",
        "(?<1>a)",
        "(?1)",
        "(?(1)a)",
        "a{1}{2}",
        "(?:a{65535}){65535}",
        "a{100000}",
        "(" * 60 + ")" * 60,
        "a" * (MAX_PATTERN_LENGTH + 1),
    ],
)
def test_refused(pattern: str) -> None:
    with pytest.raises(ExpressionError):
        compile_pattern(pattern)


def test_groups() -> None:
    assert compile_pattern("(x)?(b)").search("ab") == ("b", None, "b")
    assert compile_pattern("(?<n>a)").groups == 1


@pytest.mark.parametrize("pattern", ["(a|a)*$", "(a|aa)+$", "((a{1,1000}){1,1000}){1,1000}b"])
def test_a_catastrophic_pattern_is_broken_off(pattern: str) -> None:
    with pytest.raises(ExpressionError, match="takes too long"):
        compile_pattern(pattern).search("a" * 5000 + "!")


def test_all_patterns_of_an_evaluation_share_their_time() -> None:
    expression = compile_expression("list[.x && match(.x, '(a|a)*$')]")
    with pytest.raises(ExpressionError, match="too long"):
        expression.evaluate({"list": [{"x": "a" * 500 + "!"}] * 1000})
    spent = Allowance()
    spent.pattern_seconds = 0.0
    with pytest.raises(ExpressionError):
        compile_pattern("a").search("a", spent)


def test_long_subjects_are_refused() -> None:
    with pytest.raises(ExpressionError):
        compile_pattern("a").search("a" * (MAX_SUBJECT_LENGTH + 1))


@given(
    st.text(alphabet=r"ab1()[]{}?*+|^$.\\-,:<>=!dwsbcukx0", max_size=30),
    st.text(alphabet="ab1-\n ", max_size=20),
)
def test_any_pattern_searches_or_is_refused(pattern: str, subject: str) -> None:
    try:
        compile_pattern(pattern).search(subject)
    except ExpressionError:
        return


@given(st.text(max_size=30))
def test_an_escaped_text_finds_itself(text: str) -> None:
    escaped = "".join("\\" + char if char in r"\^$.*+?()[]{}|/" else char for char in text)
    assert compile_pattern(f"^{escaped}$").search(text) is not None
    assert translate(escaped).isascii()
