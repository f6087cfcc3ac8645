"""JavaScript regular expressions: same matches, refusals in words, bounded work."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.definitions.patterns import LONGEST_PATTERN, Pattern
from conductor.errors import BadParameter

SAME = [
    (".+", "web01", True),
    (r"^prod-\w+$", "prod-web", True),
    (r"^prod-\w+$", "prod-web\n", False),  # $ is the very end in JavaScript
    (r"^prod-\w+$", "prod-é", False),  # \w is ASCII
    ("web", "my-web-1", True),
    ("WEB", "web", False),
    (r"(?<y>\d{4})-\k<y>", "2024-2024", True),
    (r"(?<y>\d{4})-\k<y>", "2024-2025", False),
    ("a{,3}", "a{,3}", True),
    ("a{,3}", "aaa", False),
    ("[[]", "[", True),
    ("[]", "a", False),
    ("[^]", "\n", True),
    ("[a&&b]", "&", True),
    (r"[\d-x]", "-", True),
    (r"\/\-\_\u0041\x42\cJ", "/-_AB\n", True),
    ("}]", "}]", True),
    (".", "\u2028", False),
    (r"\s", "\u00a0", True),
    (r"\S", "\u00a0", False),
    (r"(?:a|b)(?=c)", "bc", True),
    (r"(?<!x)y", "xy", False),
    (r"(a)\1", "aa", True),
    (r"\A", "A", True),  # no anchor in JavaScript
    ("", "anything", True),
    ("a+?b", "aab", True),
    (r"^(\w+\.)+example\.com$", "a.b.example.com", True),
    (r"^((foo|bar),?)+$", "foo,bar", True),
]


@pytest.mark.parametrize(("pattern", "text", "found"), SAME)
def test_matches_as_javascript_does(pattern: str, text: str, found: bool) -> None:
    assert Pattern.of(pattern).found_in(text) is found


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "[", "\\", "*", "a**", "a++", "a?+", "(?i)a", "(?P<n>a)", "(?#x)", "(?>a)", "(?<n>a)(?<n>b)",
     r"\p{L}", r"\2", "[z-a]", "a{3,2}", "a{99999}", r"\k<n>", r"(?<=a+)b", "(" * 200 + ")" * 200,
     "a" * (LONGEST_PATTERN + 1)],
)  # fmt: skip
def test_what_cannot_be_translated_is_refused(pattern: str) -> None:
    with pytest.raises(BadParameter, match="Invalid regular expression"):
        Pattern.of(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a|ab)*c", r"(\w+\s?)+x", "(x+x+)+y", "a?" * 30 + "a" * 30, "(a|a)b" * 20,
     "(.*a){20}", "(a?){20}", ".*.*.*.*.*x", "((a{1,10}){1,10}){1,10}", r"^(([a-z])+.)+[A-Z]([a-z])+$"],
)  # fmt: skip
def test_patterns_whose_work_explodes_are_refused(pattern: str) -> None:
    with pytest.raises(BadParameter):
        Pattern.of(pattern)


@pytest.mark.parametrize("pattern", [r"\d+$", ".*a.*b", r"^\S+@\S+\.\S+$", "(?:[a-z]+-)*[a-z]+$"])
def test_accepted_patterns_answer_in_time(pattern: str) -> None:
    compiled = Pattern.of(pattern)
    start = time.monotonic()
    for unit in ("1", "a", "a-", "@."):
        compiled.found_in((unit * compiled.longest)[: compiled.longest - 1] + "!")
    assert time.monotonic() - start < 10


def test_a_text_too_long_to_search_does_not_match() -> None:
    pattern = Pattern.of("a+")
    assert pattern.found_in("a" * pattern.longest)
    assert not pattern.found_in("a" * (pattern.longest + 1))


@given(
    st.text(alphabet="ab(|)[]{}*+?^$.\\-:=!<>,123dwskpux", max_size=25), st.text(alphabet="ab1-", max_size=12)
)
def test_any_text_is_a_pattern_or_refused(source: str, text: str) -> None:
    with suppress(BadParameter):
        Pattern.of(source).found_in(text)
