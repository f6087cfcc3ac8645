"""The page behind a magic link: its text, a control for each field, and what becomes of the job.

Everything that comes from the event is escaped, or sanitised where it is Markdown; scripts and styles need the
nonce of their answer.
"""

import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import msgspec

from conductor.api.magic_links import Link
from conductor.definitions.json_values import text_of, truthy
from conductor.definitions.params import default_of, definitions_of
from conductor.jobs import limits

_COMMENT = re.compile(r"<!--\s*(Button|Icon|Response):\s*(.*?)\s*-->", re.IGNORECASE | re.DOTALL)
_OPTION = re.compile(r"(.*)\[([\w\-.]+)\]\s*", re.ASCII | re.DOTALL)
_VARIANTS = frozenset(
    ("color", "date", "datetime-local", "email", "number", "password", "tel", "text", "time", "url")
)
_HIDDEN = frozenset(("hidden", "group"))
_MANY = 100


def page(link: Link) -> tuple[bytes, str]:
    """The page's bytes and its Content-Security-Policy."""
    nonce = secrets.token_urlsafe(16)
    event = link.event
    body = str(link.trigger.get("body") or "")
    said = {kind.lower(): text for kind, text in _COMMENT.findall(body)}
    fields = [shown for field in definitions_of(event.get("fields")) if (shown := _control(field, event))]
    html = _template().render(
        title=str(event.get("title") or ""),
        text=_markdown(_COMMENT.sub("", body)),
        action=f"/api/app/magic/v1/{quote(link.key)}",
        fields=fields,
        uploads=_uploads(event),
        button=said.get("button") or "Start",
        response=said.get("response", ""),
        nonce=nonce,
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src https: data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return html.encode(), policy


def _control(field: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is shown of a field; None for one that a stranger has no say in."""
    kind = str(field.get("type"))
    if kind in _HIDDEN or truthy(field.get("locked")):
        return None
    stored = (event.get("params") or {}).get(field["id"])
    value = default_of(field) if stored is None else stored
    control = {"checkbox": "checkbox", "select": "select", "toolset": "select"}.get(kind, "text")
    if kind in ("textarea", "code", "json"):
        control = "textarea"
    elif kind == "text" and field.get("variant") in _VARIANTS:
        control = str(field["variant"])
    return {
        "id": field["id"],
        "title": str(field.get("title") or field["id"]),
        "caption": str(field.get("caption") or ""),
        "required": truthy(field.get("required")),
        "multiple": truthy(field.get("multiple")),
        "control": control,
        "value": value if control == "checkbox" else _text(value),
        "options": _options(field, kind) if control == "select" else [],
    }


def _options(field: Mapping[str, Any], kind: str) -> list[dict[str, str]]:
    if kind == "toolset":
        data = field.get("data")
        tools = data.get("tools") if isinstance(data, dict) else None
        return [
            {"id": one["id"], "title": str(one.get("title") or one["id"])} for one in definitions_of(tools)
        ]
    found = []
    for option in text_of(field.get("value") or "").split(","):
        labelled = _OPTION.fullmatch(option.strip())
        title, id = (labelled[1].strip(), labelled[2]) if labelled else (option.strip(), option.strip())
        found.append({"id": id, "title": title})
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else text_of(value)


def _uploads(event: Mapping[str, Any]) -> int:
    """How many files may be uploaded."""
    limit = limits.first(event, "file")
    return _MANY if limit is None or limit.get("amount") is None else int(limits.amount(limit))


def _markdown(text: str) -> Any:
    """Markdown as safe HTML."""
    import nh3
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    return Markup(nh3.clean(MarkdownIt("commonmark").enable("table").render(text)))  # noqa: S704 - sanitised


@lru_cache(maxsize=1)
def _template() -> Any:
    import jinja2

    source = (files("conductor.api") / "pages" / "magic.html").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True).from_string(source)
