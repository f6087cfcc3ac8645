"""Mail addresses and header values: what may stand in a message's head. Pure."""

import re
from collections.abc import Iterable
from email.utils import formataddr, getaddresses

_ADDRESS = re.compile(r"[^@\s<>\",;:()\[\]\\\x00-\x20]+@[^@\s<>\",;()\\\x00-\x20]+")
_BREAKS = re.compile(r"[\r\n\0\x0b\x0c\x85\u2028\u2029]")
_LONGEST = 254


def addresses(text: str | Iterable[str]) -> list[str]:
    """The plain addresses in comma-separated lists, `Name <a@b>` included; once each, malformed ones left out.

    What holds a line break is left out as a whole.
    """
    listed = [text] if isinstance(text, str) else [one for one in text if isinstance(one, str)]
    found = getaddresses([one.replace(";", ",") for one in listed if one and not breaks_a_header(one)])
    return list(dict.fromkeys(address for _, address in found if is_address(address)))


def named(text: str) -> str:
    """The first address in `text` with its name, as a From header shows it; empty when there is none."""
    for name, address in getaddresses([text]):
        if is_address(address):
            return formataddr((one_line(name), address))
    return ""


def is_address(address: str) -> bool:
    return len(address) <= _LONGEST and _ADDRESS.fullmatch(address) is not None


def breaks_a_header(text: str) -> bool:
    """Whether `text` would begin another header: a line break or a NUL."""
    return _BREAKS.search(text) is not None


def one_line(text: str) -> str:
    """`text` as a header may carry it."""
    return " ".join(_BREAKS.sub(" ", text).split())
