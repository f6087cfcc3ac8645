"""A user agent's header as people say it: `Safari 26.1.0 / macOS` (contract api/search.yaml). Pure."""

import re
from functools import lru_cache

_BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/([\d.]+)")),
    ("Opera", re.compile(r"\bOPR/([\d.]+)")),
    ("Chrome", re.compile(r"\b(?:Chrome|CriOS)/([\d.]+)")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/([\d.]+)")),
    ("Safari", re.compile(r"\bVersion/([\d.]+).*\bSafari/")),
    ("curl", re.compile(r"^curl/([\d.]+)")),
)
_SYSTEMS = (
    ("iOS", re.compile(r"iPhone|iPad|iPod")),
    ("Android", re.compile(r"Android")),
    ("Windows", re.compile(r"Windows")),
    ("macOS", re.compile(r"Mac OS X|Macintosh")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("Linux", re.compile(r"Linux|X11")),
)


@lru_cache(256)
def friendly(header: str) -> str:
    """The header itself where nothing in it is known."""
    for name, pattern in _BROWSERS:
        if match := pattern.search(header):
            version = ".".join([*match[1].strip(".").split("."), "0", "0"][:3])
            system = next((known for known, mark in _SYSTEMS if mark.search(header)), "")
            return f"{name} {version} / {system}" if system else f"{name} {version}"
    return header
