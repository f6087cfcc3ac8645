"""A user agent's header as people say it: `Safari 26.1.0 / macOS` (contract api/search.yaml). Pure."""

import re
from functools import lru_cache

_BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/([\d.]+)"),
    ("Opera", r"\bOPR/([\d.]+)"),
    ("Chrome", r"\b(?:Chrome|CriOS)/([\d.]+)"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/([\d.]+)"),
    ("Safari", r"\bVersion/([\d.]+).*\bSafari/"),
    ("curl", r"^curl/([\d.]+)"),
)
_SYSTEMS = (
    ("iOS", r"iPhone|iPad|iPod"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"Linux|X11"),
)


@lru_cache(256)
def friendly(header: str) -> str:
    """The header itself where nothing in it is known."""
    for name, pattern in _BROWSERS:
        if match := re.search(pattern, header):
            version = ".".join([*match[1].strip(".").split("."), "0", "0"][:3])
            system = next((known for known, mark in _SYSTEMS if re.search(mark, header)), "")
            return f"{name} {version} / {system}" if system else f"{name} {version}"
    return header
