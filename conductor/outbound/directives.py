"""Comments at the beginning of a mail's text that steer it: `<!-- Subject: … -->` (contract actions.md §6). Pure.

They are taken off before macros are expanded, so that no value can add one.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

KNOWN = ("to", "from", "subject", "cc", "bcc", "title", "button", "logo_url", "version", "copyright")

_COMMENT = re.compile(r"\s*<!--(.*?)-->", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*([A-Za-z_\-]{1,40})\s*:(.*)", re.DOTALL)
_HEADING = re.compile(r"\s*#[ \t]+([^\n]+?)[ \t]*#*[ \t]*(?:\n|\Z)")
_LINK = re.compile(r"https?://\S+", re.IGNORECASE)


class Steered(NamedTuple):
    directives: Mapping[str, str]
    """By lower-case name; the first of each counts."""
    text: str
    """What follows the comments."""


def steered(source: str) -> Steered:
    found: dict[str, str] = {}
    place = 0
    while comment := _COMMENT.match(source, place):
        place = comment.end()
        directive = _DIRECTIVE.fullmatch(comment[1])
        if directive and (name := directive[1].lower().replace("-", "_")) in KNOWN:
            found.setdefault(name, directive[2].strip())
    return Steered(found, source[place:].lstrip("\n\r \t") if place else source)


def promoted(text: str) -> tuple[str, str]:
    """A leading `# heading` and the text after it; an empty heading where there is none."""
    heading = _HEADING.match(text)
    return (heading[1], text[heading.end() :].lstrip("\n")) if heading else ("", text)


def button(text: str) -> tuple[str, str] | None:
    """Label and address of `Label | http://…`."""
    label, bar, url = text.rpartition("|")
    url = url.strip()
    return (label.strip(), url) if bar and label.strip() and _LINK.fullmatch(url) else None
