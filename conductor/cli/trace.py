"""`opsorbit trace CORRELATION_ID`: what caused what, with how long each step took."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from rich.text import Text
from rich.tree import Tree

from conductor.cli.client import Client

Json = Mapping[str, Any]

_GOOD = ("succeeded", "accepted", "started", "created", "fired", "cleared", "resumed", "joined", "taken")
_BAD = ("failed", "aborted", "refused", "lost", "deleted")


async def story(correlation_id: str, url: str, api_key: str) -> Json:
    """The answer of `GET /api/v1/events/correlation/{id}?tree=true`. Raises ApiError, OSError."""
    async with Client(url, api_key) as client:
        path = f"/api/v1/events/correlation/{quote(correlation_id, safe='')}"
        return msgspec.json.decode(await client.fetch(path, tree="true"), type=dict[str, Any])


def drawn(answer: Json) -> Tree:
    """The story as a tree: one line for each event."""
    count = answer["total"]
    root = Tree(Text(f"{answer['correlationId']}: {count} event{'' if count == 1 else 's'}", style="bold"))
    _grow(root, answer["tree"])
    return root


def _grow(above: Tree, chapters: Sequence[Json]) -> None:
    # With a stack of its own: a chain of jobs may be longer than Python's.
    waiting = [(above, chapter) for chapter in reversed(chapters)]
    while waiting:
        place, chapter = waiting.pop()
        branch = place.add(line(chapter))
        waiting += [(branch, child) for child in reversed(chapter["children"])]


def line(chapter: Json) -> Text:
    """`job.failed  jabc  code 7  +1.204s  by satellite s1`"""
    event = chapter["event"]
    told = event["payload"]
    verb = str(event["eventType"]).rpartition(".")[2]
    style = "red" if verb in _BAD else "green" if verb in _GOOD else "cyan"
    text = Text.assemble((event["eventType"], style), "  ", str(told.get("id", "")))
    if about := _about(told):
        text.append(f"  {about}")
    if chapter["after"] is not None:
        text.append(f"  {duration(chapter['after'])}", "dim")
    actor = (
        event["actorType"]
        if event["actorId"] == event["actorType"]
        else f"{event['actorType']} {event['actorId']}"
    )
    text.append(f"  by {actor}", "dim")
    return text


def duration(seconds: float) -> str:
    """How long after its cause; a cause on another clock may seem to come later."""
    if abs(seconds) < 1:
        return f"{seconds * 1000:+.0f}ms"
    return f"{seconds:+.3f}s" if abs(seconds) < 60 else f"{seconds / 60:+.1f}min"


def _about(told: Json) -> str:
    """What tells most of an event, of what its payload has."""
    parts = []
    if "type" in told and "condition" in told:
        parts.append(f"{told['type']} on {told['condition']}")
    if told.get("code"):
        parts.append(f"code {told['code']}")
    if "controller" in told:
        outcome = [f"{key} {told[key]}" for key in _OUTCOMES if key in told]
        parts.append(" ".join([f"{told['controller']} at {told['node']}:", *outcome]))
    parts += [f"{label} {told[key]}".strip() for key, label in _SHOWN if told.get(key)]
    if isinstance(told.get("elapsed"), int | float):
        parts.append(f"took {told['elapsed']:.3f}s")
    return ", ".join(parts)


_OUTCOMES = ("holds", "jobs", "connections")
_SHOWN = (
    ("event", "of"), ("attempt", "attempt"), ("server", "on"), ("next", "as"), ("num", "#"),
    ("subject", ""), ("trigger", "trigger"), ("title", ""),
)  # fmt: skip
