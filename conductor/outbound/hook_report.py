"""The report of a web hook's delivery: Markdown that may be shown and stored. Pure.

Secrets are taken out of the parts before they are put together, in each form in which they may have been
sent or echoed.
"""

import base64
import html
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec

from conductor.outbound.hook_request import SIGNATURE, HookRequest
from conductor.outbound.http import Answer

REDACTED = "(REDACTED)"
_SHOWN = 32_768
"""Characters of a body in the report."""
_HIDDEN_HEADERS = (SIGNATURE.lower(),)


class Redaction:
    """Replaces values of secrets in texts: as they are, URL-encoded, in JSON, in HTML and in Base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if secret:
                forms |= _forms(secret)
        self._forms = sorted(forms, key=len, reverse=True)  # a secret within another one must not spoil it

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, REDACTED)
        return text


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote(secret, safe="~()*!.'"),
        quote_plus(secret),
        msgspec.json.encode(secret).decode()[1:-1],
        html.escape(secret),
        base64.b64encode(secret.encode()).decode(),
        base64.urlsafe_b64encode(secret.encode()).decode(),
    }


def report(
    request: HookRequest,
    redact: Redaction,
    *,
    answer: Answer | None = None,
    error: str = "",
    attempts: int = 1,
) -> str:
    """What was sent and what came back (contract api/web_hooks.yaml, execution 5)."""
    parts = [
        f"- **Method:** {request.method}\n"
        f"- **URL:** {redact(request.url)}\n"
        f"- **Redirects:** {'Follow' if request.follow else 'n/a'}\n"
        f"- **Max Retries:** {request.retries or 'None'}\n"
        f"- **Timeout:** {request.timeout:g} sec"
    ]
    if request.headers:
        parts.append(f"**Request Headers:**\n\n{_fenced(redact(_lines(request.headers)))}")
    if request.body:
        parts.append(f"**Request Body:**\n\n{_fenced(redact(request.body))}")
    if error:
        parts.append(f"**Error:** {redact(error)}")
    if answer:
        parts.append(f"**Response:** HTTP {answer.status} {redact(answer.reason)}".rstrip())
        parts.append(f"**Response Headers:**\n\n{_fenced(redact(_lines(answer.headers)))}")
        if answer.body:
            parts.append(f"**Response Body:**\n\n{_fenced(redact(answer.text))}")
        metrics: dict[str, Any] = {**answer.seconds, "redirects": answer.redirects, "attempts": attempts}
        parts.append(f"**Performance Metrics:**\n\n{_fenced(msgspec.json.encode(metrics).decode(), 'json')}")
    return "\n\n".join(parts)


def _lines(headers: Mapping[str, str]) -> str:
    return "\n".join(
        f"{name}: {REDACTED if name.lower() in _HIDDEN_HEADERS else value}" for name, value in headers.items()
    )


def _fenced(text: str, language: str = "") -> str:
    """A code block that its content cannot end."""
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN]}\n… ({len(text) - _SHOWN} more characters)"
    text = text.replace("\0", "")
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
