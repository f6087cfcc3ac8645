"""Our own documentation for the browser's help (contract api/misc.yaml), and pages with a message.

Pages are known by name when the conductor starts to answer; a request never becomes a path.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web

import conductor
from conductor.api.answer import SERVER
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint
from conductor.settings import Settings

Json = dict[str, Any]

_TAG = re.compile(r"<[^<>]*>")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_MOST = 1_000
_LONGEST = 200
_MESSAGES = {
    "not_found": "There is no such page.",
    "logged_out": "You are logged out.",
    "denied": "You may not see this page.",
}
"""What a link may have this host say, by its code: anything else would be somebody else's words."""


class Page(msgspec.Struct, kw_only=True):
    doc: Annotated[str, msgspec.Meta(pattern=r"^\w+$(?!\n)", max_length=64)]
    anchor: str = ""


class Search(msgspec.Struct, kw_only=True):
    anchor: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)] = 100


class Message(msgspec.Struct, kw_only=True):
    code: str = ""


@lru_cache(1)
def pages() -> dict[str, str]:
    """Every page by its name: those that are packed with the product, or lie beside its sources."""
    package = Path(conductor.__file__).parent
    for folder in (package / "documentation", package.parent / "docs"):
        if folder.is_dir():
            return {file.stem.replace("-", "_"): file.read_text() for file in sorted(folder.glob("*.md"))}
    return {}


def found(anchor: str, limit: int) -> str | None:
    """A Markdown list of pages, sections and lines that hold a text; None for a text that is none."""
    text = _TAG.sub("", unquote(anchor, errors="replace")).strip().lower()[:_LONGEST]
    if not text:
        return None
    listed: list[str] = []
    count = 0
    for name, page in pages().items():
        matches: list[str] = []
        section = ""
        for line in page.splitlines():
            if heading := _HEADING.match(line):
                section = heading[1]
            if text in line.lower():
                place = _NOT_WORD.sub("-", section.lower()).strip("-")
                matches.append(
                    f"  - [{section or name}](#Docs/{name}/{place}): {' '.join(line.split())[:300]}"
                )
        if matches:
            listed += [f"- **{name}**", *matches]
            count += len(matches)
        if count >= limit:
            break
    return "\n".join(listed) or "Nothing was found."


def endpoints(settings: Settings) -> tuple[Endpoint[Any], ...]:
    def kept(call: Call) -> None:
        call.headers["Cache-Control"] = f"public, max-age={settings.ttl}"

    async def get_doc(call: Call, params: Page) -> Json:
        kept(call)
        if params.doc == "search":
            return searched(params.anchor, 100)
        text = pages().get(params.doc)
        if text is None:
            return {"code": 1, "description": f"There is no page of this name: {params.doc}"}
        return {"text": text}

    async def search_docs(call: Call, params: Search) -> Json:
        kept(call)
        return searched(params.anchor, params.limit)

    def searched(anchor: str, limit: int) -> Json:
        text = found(anchor, limit)
        if text is None:
            return {"code": 1, "description": "There is nothing to look for."}
        return {"text": text}

    async def message(call: Call, params: Message) -> web.Response:
        text = _MESSAGES.get(params.code, "Something went wrong.")
        body = f"<!doctype html><title>OpsOrbit</title><meta charset=utf-8><p>{text}</p>\n"
        return web.Response(
            body=body.encode(),
            headers={
                hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
                "Content-Security-Policy": "default-src 'none'",
                "X-Frame-Options": "DENY",
                "X-Content-Type-Options": "nosniff",
                hdrs.SERVER: SERVER,
            },
        )

    common: dict[str, Any] = {"methods": ("GET",), "auth": Auth.NONE, "primary_only": False}
    return (
        Endpoint("get_doc", get_doc, Page, "A page of the documentation", **common),
        Endpoint("search_docs", search_docs, Search, "Where the documentation says something", **common),
        Endpoint("message", message, Message, "A page with one of our own messages", **common),
    )
