"""A User-Agent header in words, such as `Chrome 119.0.0 / macOS` (contract api/users.yaml, get_user_activity)."""

import re

_BROWSERS = (  # the first that is there: most of them also claim to be the later ones
    ("Edge", re.compile(r"Edg(?:e|A|iOS)?/([\d.]+)")),
    ("Opera", re.compile(r"(?:OPR|Opera)/([\d.]+)")),
    ("Vivaldi", re.compile(r"Vivaldi/([\d.]+)")),
    ("Samsung Internet", re.compile(r"SamsungBrowser/([\d.]+)")),
    ("Firefox", re.compile(r"(?:Firefox|FxiOS)/([\d.]+)")),
    ("Chrome", re.compile(r"(?:Chrome|CriOS)/([\d.]+)")),
    ("Safari", re.compile(r"Version/([\d.]+).*Safari/")),
)
_SYSTEMS = (
    ("iOS", re.compile(r"iPhone|iPad|iPod")),
    ("Android", re.compile(r"Android")),
    ("macOS", re.compile(r"Mac OS X|Macintosh")),
    ("Windows", re.compile(r"Windows")),
    ("ChromeOS", re.compile(r"CrOS")),
    ("Linux", re.compile(r"Linux|X11")),
)
_PARTS = 3
_LONGEST = 500


def in_words(header: str) -> str:
    """Browser, version and system; the header itself where no browser is recognised."""
    header = header[:_LONGEST]
    for browser, pattern in _BROWSERS:
        if found := pattern.search(header):
            version = ".".join(found[1].strip(".").split(".")[:_PARTS])
            system = next((name for name, mark in _SYSTEMS if mark.search(header)), "")
            return f"{browser} {version} / {system}" if system else f"{browser} {version}"
    return header
