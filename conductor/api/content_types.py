"""What a stored file is served as: its type by its extension, and what a browser may do with it. Pure.

Anybody who may upload can upload a page or a picture with a script in it, and it comes from the origin of
the app: whatever can run there is handed over as a download, in a sandbox.
"""

import mimetypes
from functools import lru_cache
from urllib.parse import quote

UNKNOWN = "application/octet-stream"

_MORE = {
    ".gz": "application/gzip",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".svgz": "image/svg+xml",
    ".xht": "application/xhtml+xml",
    ".xhtml": "application/xhtml+xml",
}
_ACTIVE = ("html", "xml", "svg", "javascript", "ecmascript", "x-shockwave-flash")
_SCRIPTS = ("javascript", "ecmascript")

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self'",
    "Referrer-Policy": "no-referrer",
}
"""The path of a file is a permission: it must not leave in a `Referer`."""


@lru_cache(maxsize=1)
def _table() -> dict[str, str]:
    # The library's own table, without the host's files: a type must not depend on where a conductor runs.
    return {**mimetypes.MimeTypes().types_map[True], **_MORE}


def content_type(name: str) -> str:
    """By the extension of a path's last segment."""
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    found = _table().get(f".{extension.lower()}", UNKNOWN) if dot and stem else UNKNOWN
    # Never a script: with its own type, markup that slipped into the app could load it from the app's origin.
    return "text/plain" if any(mark in found for mark in _SCRIPTS) else found


def is_active(name: str) -> bool:
    """Whether a browser would run what is in it."""
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    found = _table().get(f".{extension.lower()}", "") if dot and stem else ""
    return any(mark in found for mark in _ACTIVE)


def attachment(name: str) -> str:
    """`Content-Disposition` for a download under this name (RFC 6266)."""
    flat = "".join(mark if " " <= mark <= "~" and mark not in '"\\%' else "_" for mark in name)
    if flat == name:
        return f'attachment; filename="{name}"'
    encoded = quote(name.encode(errors="replace"), safe="")
    return f"attachment; filename=\"{flat}\"; filename*=UTF-8''{encoded}"
