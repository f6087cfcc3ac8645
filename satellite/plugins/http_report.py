"""The report of one HTTP request in Markdown. Pure."""

from typing import Any, Protocol

from satellite.plugins.http_params import HttpRequest, redacted

_LONGEST_SHOWN = 1024 * 1024
_TEXTUAL = ("text/", "json", "xml", "javascript", "urlencoded")

Json = dict[str, Any]


class Answered(Protocol):
    status: int
    reason: str
    headers: Any
    url: str
    content_type: str
    size: int
    times: dict[str, float]


def report(request: HttpRequest, answer: Answered, text: str | None, secrets: Json) -> Json:
    """`markdown` content; `text` is the body, None for a download. Without the values of secrets."""
    lines = [
        f"- **Method:** {request.method}",
        f"- **URL:** {request.url}",
        *([f"- **Final URL:** {answer.url}"] if answer.url != request.url else []),
        f"- **Response:** HTTP {answer.status} {answer.reason}".rstrip(),
        f"- **Size:** {answer.size} bytes",
        "",
        "**Request Headers:**",
        *_block("\n".join(f"{name}: {value}" for name, value in request.headers)),
    ]
    if request.body:
        lines += ["**Request Body:**", *_body(request.body.decode(errors="replace"), len(request.body))]
    lines += [
        "**Response Headers:**",
        *_block("\n".join(f"{name}: {value}" for name, value in answer.headers.items())),
    ]
    if text and any(kind in answer.content_type.lower() for kind in _TEXTUAL):
        lines += ["**Response Body:**", *_body(text, answer.size)]
    lines += ["**Performance:**", *_block("\n".join(f"{name}: {ms} ms" for name, ms in answer.times.items()))]
    return {
        "title": "HTTP Request Details",
        "content": redacted("\n".join(lines), secrets),
        "caption": "",
    }


def _body(text: str, size: int) -> list[str]:
    return _block(text) if size < _LONGEST_SHOWN else [f"(Too large to show: {size} bytes)", ""]


def _block(text: str) -> list[str]:
    """A fenced block, with a fence that the text does not contain."""
    fence = "```"
    while fence in text:
        fence += "`"
    return ["", fence, text, fence, ""]
