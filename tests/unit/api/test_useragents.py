import pytest

from conductor.api.useragents import friendly

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (f"{MAC} Version/26.1 Safari/605.1.15", "Safari 26.1.0 / macOS"),
        (f"{WINDOWS} Chrome/140.0.7339.80 Safari/537.36", "Chrome 140.0.7339 / Windows"),
        (f"{WINDOWS} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.1", "Edge 140.0.1 / Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140.0.0 / Linux"),
        ("curl/8.5.0", "curl 8.5.0"),
        ("something else", "something else"),
        ("", ""),
    ],
)
def test_a_user_agent_as_people_say_it(header: str, text: str) -> None:
    assert friendly(header) == text
