"""The parameters of the HTTP plugin, read from its job (contract plugins.md §3.4). Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import unquote, urlsplit

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_WITHOUT_BODY = ("GET", "HEAD")
_PLACEHOLDER = re.compile(r"\[(\w[\w\-]*(?:\.[\w\-]+)*)\]")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~\w]+", re.ASCII)
_LONGEST_NAME = 200
_EXTENSIONS = {
    "application/json": ".json", "application/pdf": ".pdf", "application/xml": ".xml",
    "application/gzip": ".gz", "application/zip": ".zip", "text/csv": ".csv", "text/html": ".html",
    "text/plain": ".txt", "text/xml": ".xml", "image/gif": ".gif", "image/jpeg": ".jpg", "image/png": ".png",
    "image/svg+xml": ".svg", "image/webp": ".webp",
}  # fmt: skip

Json = dict[str, Any]


class ParamsError(ValueError):
    """A request that cannot be made; the text is the result's description."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """Times are seconds."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes | None
    timeout: float
    idle_timeout: float
    connect_timeout: float
    success_match: re.Pattern[str] | None
    error_match: re.Pattern[str] | None
    follow: bool
    download: bool
    verify: bool
    filename: str


def http_request(job: Json) -> HttpRequest:
    """Raises ParamsError."""
    given = job.get("params")
    params: Json = given if isinstance(given, dict) else {}
    method = str(params.get("method") or "GET").upper()
    if method not in METHODS:
        raise ParamsError(f"Unsupported method: {method[:40]}")
    url = filled(str(params.get("url") or ""), job).strip()
    parts = _split(url)
    if parts is None:
        raise ParamsError(f"Malformed URL: {url[:500]}")
    data = filled(str(params.get("data") or ""), job)
    return HttpRequest(
        method=method,
        url=url,
        headers=_headers(filled(str(params.get("headers") or ""), job)),
        body=None if method in _WITHOUT_BODY or not data else data.encode(errors="surrogateescape"),
        timeout=_seconds(params, "timeout", 30),
        idle_timeout=_seconds(params, "idle_timeout", 30),
        connect_timeout=_seconds(params, "connect_timeout", 10),
        success_match=_pattern(params, "success_match"),
        error_match=_pattern(params, "error_match"),
        follow=_true(params.get("follow")),
        download=_true(params.get("download")),
        verify=not _true(params.get("ssl_cert_bypass")),
        filename=str(params.get("filename") or ""),
    )


def filled(text: str, job: Json) -> str:
    """`[path.to.value]` replaced from the job; what leads nowhere stays."""

    def value(match: re.Match[str]) -> str:
        found: Any = job
        for step in match[1].split("."):
            if isinstance(found, dict) and step in found:
                found = found[step]
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                return match[0]
        if isinstance(found, str):
            return found
        return json.dumps(found)

    return _PLACEHOLDER.sub(value, text)


def redacted(text: str, secrets: Mapping[str, Any]) -> str:
    """The text without the values of secrets, the longest first: one may be part of another."""
    values = sorted((str(value) for value in secrets.values() if value not in (None, "")), key=len)
    for value in reversed(values):
        text = text.replace(value, "(REDACTED)")
    return text


def file_name(filename: str, disposition: str, url: str, content_type: str) -> str:
    """The download's name: as asked for, as the answer says, or the URL's last segment; with an extension."""
    name = filename or _disposed(disposition) or unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    name = re.sub(r"[^\w\-.,+ ()@~]+", "_", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
    name = name[-_LONGEST_NAME:] or "download"
    if not re.search(r"\.\w{1,10}$", name):
        name += _EXTENSIONS.get(content_type.partition(";")[0].strip().lower(), ".bin")
    return name


def _disposed(header: str) -> str:
    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename() or ""


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts if usable and not re.search(r"[\s\x00-\x1f]", url) else None


def _headers(text: str) -> list[tuple[str, str]]:
    headers = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not _HEADER_NAME.fullmatch(name.strip()) or "\0" in value:
            raise ParamsError(f"Malformed header: {name.strip()[:100]}")
        headers.append((name.strip(), value.strip()))
    return headers


def _pattern(params: Json, name: str) -> re.Pattern[str] | None:
    text = str(params.get(name) or "")
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise ParamsError(f"Malformed regular expression in {name}: {error}") from None


def _seconds(params: Json, name: str, default: float) -> float:
    try:
        seconds = float(params.get(name) or 0)
    except (TypeError, ValueError):
        raise ParamsError(f"Not a number of seconds: {name}") from None
    return seconds if 0 < seconds < 1e9 else default


def _true(value: Any) -> bool:
    return value.strip().lower() not in ("", "0", "false", "no") if isinstance(value, str) else bool(value)
