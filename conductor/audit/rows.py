"""From signals to activity rows. Contract platform.md §8, structures/activity.yaml. Pure.

A row never holds a credential: no cookie, no key hash, no password, no session ID.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from conductor.signals import (
    Activity,
    AlertCleared,
    AlertFired,
    DefinitionChanged,
    JobAborted,
    JobDeleted,
    LeadershipChanged,
    Notice,
    ServerAdded,
    ServerRemoved,
    Signal,
    SnapshotTaken,
    TicketChanged,
    UserLoggedIn,
)

Json = dict[str, Any]

REDACTED = "REDACTED"
_NON_WORD = re.compile(r"[^A-Za-z0-9_]")
_SINGULAR = {"categories": "category"}
_ACTION_NAMES = {"api_keys": "apikey"}
_SECRETS: Mapping[str, tuple[str, ...]] = {
    "api_keys": ("key", "previous_keys"),
    "users": ("password", "salt"),
    "secrets": ("fields", "data", "encrypted_data", "iv", "auth_tag", "salt"),
}
_HEAVY: Mapping[str, tuple[str, ...]] = {"tickets": ("changes",)}


def row(signal: Signal, *, id: str, epoch: int) -> Json | None:
    """The activity row of a signal, or None for one that is not logged."""
    describe = _DESCRIBED.get(type(signal))
    if describe is None:
        return None
    specific = describe(signal)
    if specific is None:
        return None
    actor = signal.actor
    keywords = [word for word in specific.pop("keywords", ()) if word]
    made: Json = {"id": id, "epoch": epoch, **specific}
    if actor.kind in ("user", "api_key") and actor.id:
        made["username"] = actor.id
        keywords.append(_NON_WORD.sub("_", actor.id))
    if isinstance(signal, DefinitionChanged) and signal.kind == "users":
        target = str(signal.item.get("username", ""))
        if actor.id and target != actor.id:  # whose account it is stands first, who changed it beside it
            made.update(username=target, admin=actor.id)
            keywords.append(_NON_WORD.sub("_", target))
    if actor.ips:
        made["ip"] = actor.ips[0]
        made["ips"] = list(actor.ips)
        keywords += actor.ips
    if actor.useragent:
        made["headers"] = {"user-agent": actor.useragent}
    if signal.correlation_id:
        made["correlation"] = signal.correlation_id
    made["keywords"] = list(dict.fromkeys(keywords))
    return made


def singular(kind: str) -> str:
    return _SINGULAR.get(kind) or kind.removesuffix("s")


def redacted(kind: str, item: Mapping[str, Any]) -> Json:
    """A copy of a definition that may be kept and shown: secrets replaced, heavy history left out."""
    hidden, heavy = _SECRETS.get(kind, ()), _HEAVY.get(kind, ())
    return {
        key: REDACTED if key in hidden and value else value for key, value in item.items() if key not in heavy
    }


def _definition(signal: DefinitionChanged) -> Json:
    noun = singular(signal.kind)
    action = f"{_ACTION_NAMES.get(signal.kind, noun)}_{signal.verb}"
    if signal.verb == "multi_update":
        return {"action": action, "description": "", "updated": list(signal.updated)}
    item = signal.item
    made: Json = {
        "action": action,
        "description": str(item.get("title") or item.get("username") or item.get("id", "")),
        noun: redacted(signal.kind, item),
        "keywords": [str(item.get("id") or item.get("username", ""))],
    }
    if signal.kind == "events" and signal.actor.kind == "system":
        made["reason"] = "job"
    return made


def _login(signal: UserLoggedIn) -> Json:
    user = dict(signal.user) or {"username": signal.username}
    made: Json = {"action": "user_login", "description": signal.username, "user": user}
    if signal.session:
        made["session_id"] = signal.session
    return made


def _aborted(signal: JobAborted) -> Json:
    return {
        "action": "job_abort",
        "description": signal.job_id,
        "job": signal.job_id,
        "reason": signal.reason,
        "keywords": [signal.job_id],
    }


def _deleted(signal: JobDeleted) -> Json:
    return {
        "action": "job_delete",
        "description": signal.job_id,
        "job": signal.job_id,
        "keywords": [signal.job_id],
    }


def _server(action: str) -> Callable[[Any], Json]:
    def describe(signal: ServerAdded | ServerRemoved) -> Json:
        server = signal.server
        return {
            "action": action,
            "description": str(server.get("title") or server.get("hostname", "")),
            "server_id": server.get("id", ""),
            "hostname": server.get("hostname", ""),
            "ip": server.get("ip", ""),
            "groups": server.get("groups", []),
            "keywords": [str(server.get("id", "")), str(server.get("hostname", ""))],
        }

    return describe


def _notice(signal: Notice) -> Json:
    made: Json = {"action": signal.level, "description": signal.description}
    if signal.details:
        made["details"] = signal.details
    if signal.server:
        made["server"] = signal.server.get("id", "")
        made["hostname"] = signal.server.get("hostname", "")
        made["keywords"] = [str(signal.server.get("id", ""))]
    return made


def _leadership(signal: LeadershipChanged) -> Json | None:
    if not signal.primary:
        return None
    return {"action": "master_primary", "description": signal.host, "host": signal.host}


def _activity(signal: Activity) -> Json:
    return {
        **signal.payload,
        "action": signal.action,
        "description": signal.description,
        "keywords": [*signal.keywords, signal.resource[1]],
    }


def _ticket(signal: TicketChanged) -> Json:
    ticket = signal.ticket
    whole = signal.verb in ("create", "update", "delete")
    made: Json = {
        **signal.payload,
        "action": f"ticket_{signal.verb}",
        "description": str(ticket.get("id", "")),
        "ticket": redacted("tickets", ticket)
        if whole
        else {key: ticket.get(key) for key in ("id", "num", "subject")},
        "keywords": [str(ticket.get("id", ""))],
    }
    if not whole and signal.changes:
        made["change"] = signal.changes[0]
    return made


def _alert(action: str, words: str) -> Callable[[Any], Json]:
    def describe(signal: AlertFired | AlertCleared) -> Json:
        invocation, server, definition = signal.invocation, signal.server, signal.definition
        name = server.get("title") or server.get("hostname") or invocation.get("server", "")
        what = definition.get("title") or invocation.get("alert", "")
        return {
            "action": action,
            "description": f"{words}: {name}: {what}",
            "server": str(invocation.get("server", "")),
            "hostname": str(server.get("hostname", "")),
            "ip": str(server.get("ip", "")),
            "alert": dict(invocation),
            "loc": f"Alerts?id={invocation.get('id', '')}",
            "keywords": [str(invocation.get(key, "")) for key in ("id", "alert", "server")],
        }

    return describe


def _snapshot(signal: SnapshotTaken) -> Json | None:
    """Those that somebody asked for; a watch would fill the log."""
    if signal.source != "user":
        return None
    return {
        "action": "snapshot_create",
        "description": signal.snapshot_id,
        "snapshot": signal.snapshot_id,
        "type": signal.kind,
        signal.kind: signal.resource_id,
        "source": signal.source,
        "keywords": [signal.snapshot_id, signal.resource_id],
    }


_DESCRIBED: Mapping[type[Signal], Callable[[Any], Json | None]] = {
    Activity: _activity,
    DefinitionChanged: _definition,
    UserLoggedIn: _login,
    JobAborted: _aborted,
    JobDeleted: _deleted,
    ServerAdded: _server("server_add"),
    ServerRemoved: _server("server_remove"),
    Notice: _notice,
    LeadershipChanged: _leadership,
    TicketChanged: _ticket,
    AlertFired: _alert("alert_new", "New alert for"),
    AlertCleared: _alert("alert_cleared", "Alert cleared"),
    SnapshotTaken: _snapshot,
}
