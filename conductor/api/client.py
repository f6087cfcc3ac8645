"""What a request says about the client: addresses, HTTPS, cookies. Contract api/README.md §2."""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import unquote

from aiohttp import web

_SINGLE_ADDRESS = ("X-Client-IP", "CF-Connecting-IP", "True-Client-IP", "X-Real-IP", "X-Cluster-Client-IP")
_LISTS = ("X-Forwarded-For", "Forwarded-For")
_FORWARDED = re.compile(r'for="?\[?([0-9A-Fa-f:.]+)', re.IGNORECASE)
_HTTPS = (
    ("Front-End-Https", "on"),
    ("X-Url-Scheme", "https"),
    ("X-Forwarded-Protocol", "https"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Ssl", "on"),
)
_LONGEST_ADDRESS = 64
_MOST_ADDRESSES = 32


def readable(text: str) -> str:
    """`text` with undecodable bytes replaced, so that it can be stored and encoded."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")


def addresses(request: web.BaseRequest) -> tuple[str, ...]:
    """Client addresses in order of trust by the contract, without repetition; the socket's is last."""
    headers = request.headers
    found: list[str] = [headers[name].strip() for name in _SINGLE_ADDRESS if name in headers]
    for name in _LISTS:
        if name in headers:
            found += [part.strip() for part in headers[name].split(",")]
    if "Forwarded" in headers:
        found += _FORWARDED.findall(headers["Forwarded"])
    found.append(request.remote or "")
    return tuple(dict.fromkeys(readable(one)[:_LONGEST_ADDRESS] for one in found[-_MOST_ADDRESSES:] if one))


def chosen(ips: Sequence[str], offset: int | None) -> str:
    """The address at `offset` where one is configured, else the first public one, else the first."""
    if not ips:
        return ""
    if offset is not None:
        return ips[offset] if -len(ips) <= offset < len(ips) else ips[-1]
    return next((one for one in ips if _public(one)), ips[0])


def is_secure(request: web.BaseRequest) -> bool:
    if request.secure:
        return True
    headers = request.headers
    return any(headers.get(name, "").lower() == value for name, value in _HTTPS)


def cookie(header: str, name: str) -> str:
    """The URL-decoded value of a cookie; empty when absent. The first one counts."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return unquote(value.strip('"'), errors="replace")
    return ""


def cookies(header: str) -> dict[str, str]:
    """Every cookie by name, URL-decoded."""
    pairs = (part.strip().partition("=") for part in header.split(";") if "=" in part)
    return {readable(key): readable(unquote(value.strip('"'), errors="replace")) for key, _, value in pairs}


def _public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
