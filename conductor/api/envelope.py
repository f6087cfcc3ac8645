"""Answers: the envelope, its encoding, and the HTTP status of each code. Contract api/README.md §3-§4."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.errors import NotPrimary, Refusal

_STATUS = {
    "api": 400,
    "session": 401,
    "access": 403,
    "mfa": 403,
    "mfa_setup": 403,
    "rate": 429,
    "notfound": 404,
    "internal": 500,
    "satellite": 403,
}
_REFUSED = 400
_TAG = re.compile(r"<[^<>]*>")

_encode = msgspec.json.Encoder().encode


def status(code: object, *, shown: bool) -> int:
    """The HTTP status of an envelope's code. `shown`: the URL is one whose errors have statuses.

    `master` and `internal` always have 500: an agent takes any 2xx for final and would forget a result that a
    conductor could not store.
    """
    if code == 0:
        return 200
    if code in ("master", "internal"):
        return 500
    if not shown or not isinstance(code, str):
        return 200
    return _STATUS.get(code, _REFUSED)


def succeeded(result: Mapping[str, Any]) -> bytes:
    """The encoded answer: `code` 0 comes first unless the result brings its own."""
    return _encode(result if "code" in result else {"code": 0, **result}) + b"\n"


def refused(refusal: Refusal) -> bytes:
    body: dict[str, Any] = {"code": refusal.code, "description": _TAG.sub("", refusal.description)}
    if isinstance(refusal, NotPrimary):
        body["host"] = refusal.host
    return _encode(body) + b"\n"


def unsupported(description: str) -> bytes:
    """The answer to a URL that names no endpoint: the number 1, HTTP 200 (contract §1)."""
    return _encode({"code": 1, "description": _TAG.sub("", description)}) + b"\n"


def pretty(body: bytes) -> bytes:
    """The same JSON, indented by tabs."""
    import json

    text = json.dumps(msgspec.json.decode(body), indent="\t", ensure_ascii=False)
    return text.encode(errors="replace") + b"\n"
