"""Headers that keep a browser from being used against its user. Contract access.md §10."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web

from conductor.api import client

_HTML = re.compile(r"(/|\.html)$")
_POLICY = (
    "default-src 'none'; script-src 'self'; script-src-elem 'self'; script-src-attr 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; style-src-attr 'unsafe-inline'; manifest-src 'self'; "
    "img-src 'self' data: blob: https:; font-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)

HTML: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": _POLICY,
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), fullscreen=()",
    }
)


def protect(request: web.BaseRequest, response: web.StreamResponse, path: str, hsts_seconds: int) -> None:
    """Add what belongs to a page; a header that its handler has set stays."""
    if response.prepared:
        return
    if _HTML.search(path):
        for name, value in HTML.items():
            response.headers.setdefault(name, value)
    if hsts_seconds and client.is_secure(request):
        response.headers["Strict-Transport-Security"] = f"max-age={hsts_seconds}"
