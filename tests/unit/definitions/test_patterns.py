"""Patterns of definitions: refused in words when saved, never an error or a stall when searched."""

import time

import pytest

from conductor.definitions.groups import matches
from conductor.definitions.patterns import check_pattern, found_in
from conductor.errors import BadParameter


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (".+", "web01", True),
        ("web", "my-web-1", True),
        ("WEB", "web", False),
        (r"^prod-\w+$", "prod-web", True),
        (r"^prod-\w+$", "prod-web\n", False),
        (r"(?<y>\d{2})-\k<y>", "20-20", True),
        ("(", "(", False),
    ],
)
def test_search(pattern: str, text: str, found: bool) -> None:
    assert found_in(text, pattern) is found
    assert matches({"hostname_match": pattern}, text) is found


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a++", "(?i)a", "(?P<n>a)", "a" * 1001])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadParameter, match="Invalid regular expression"):
        check_pattern(pattern)


def test_a_catastrophic_pattern_does_not_match_and_does_not_stall() -> None:
    start = time.monotonic()
    assert found_in("a" * 60 + "!", "^(a|aa)+$") is False
    assert time.monotonic() - start < 5


def test_a_group_without_a_pattern_matches_nothing() -> None:
    assert not matches({}, "web")
    assert not matches({"hostname_match": 5}, "5")
