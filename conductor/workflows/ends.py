"""How a sub-job's end is told to the run: what happened, and what is remembered of it. Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.errors import Refusal
from conductor.workflows.ledger import Entry, Ledger
from conductor.workflows.run import Ended, Happening, Json, Launch
from shared import clock


def ended(link: Mapping[str, Any], record: Mapping[str, Any], conditions: frozenset[str]) -> Ended:
    retried = bool(record.get("retried"))
    output = {"data": record.get("data") or {}, "files": record.get("files") or []}
    return Ended(
        node=str(link.get("node")),
        job=str(record.get("id")),
        event=str(record.get("event") or ""),
        code=record.get("code"),
        description=str(record.get("description") or ""),
        launcher=link.get("launcher"),
        retried=retried,
        conditions=conditions,
        output=output,
        record={**record, "workflow": {"params": link.get("params") or {}, **(record.get("workflow") or {})}},
        redirect=str(link.get("redirect") or ""),
    )


def entry_of(link: Mapping[str, Any], record: Mapping[str, Any]) -> Entry:
    retried = bool(record.get("retried"))
    stub: Json = {
        "id": record.get("id"),
        "code": record.get("code"),
        "description": record.get("description") or "",
        "server": record.get("server") or "",
        "completed": record.get("completed"),
        "elapsed": record.get("elapsed"),
        "tags": record.get("tags") or [],
        "files": [] if retried else record.get("files") or [],
    }
    if retried:
        stub["retried"] = True
    for key in ("launcher", "wire"):
        if link.get(key):
            stub[key] = link[key]
    for key in ("label", "icon"):
        if record.get(key):
            stub[key] = record[key]
    return Entry(
        node=str(link.get("node")),
        stub=stub,
        data=None if retried else record.get("data"),
        shared=record.get("workflowData"),
        table=record.get("table"),
        html=record.get("html"),
    )


def refused_launch(launch: Launch, error: Refusal) -> tuple[Happening, Entry]:
    record = {
        "id": "",
        "code": "event",
        "description": error.description,
        "completed": clock.now(),
        "elapsed": 0,
    }
    link = {"node": launch.node, "launcher": launch.flow.launcher, "wire": launch.flow.wire}
    return ended(link, record, frozenset({"complete", "error", "user"})), entry_of(link, record)


def lost(node: str, ledger: Ledger) -> Ended:
    """A sub-job that the run counts and the book does not have: nothing will ever be heard of it."""
    launchers = [id for id, fanout in ledger.run.fanouts.items() if fanout.node == node]
    return Ended(
        node=node,
        job="",
        code="lost",
        description="Sub-job was lost.",
        launcher=launchers[0] if launchers else None,
        conditions=frozenset({"complete", "error", "user"}),
    )
