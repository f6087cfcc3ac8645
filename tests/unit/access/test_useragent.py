"""User agents in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.access.useragent import in_words

CHROME = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/119.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (CHROME, "Chrome 119.0.0 / macOS"),
        (CHROME + " Edg/119.0.2151.58", "Edge 119.0.2151 / macOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox 120.0 / Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.1 Mobile/15E148 Safari/604.1",
            "Safari 17.1 / iOS",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)
def test_words(header: str, words: str) -> None:
    assert in_words(header) == words


@given(st.text(max_size=2_000))
def test_any_header_has_words(header: str) -> None:
    assert len(in_words(header)) <= 600
