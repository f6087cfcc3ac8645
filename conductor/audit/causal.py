"""From signals to rows of the causal event log (design: seed 004, docs/event-log.md). Pure.

Who did what to which resource, caused by which event, in which story. A payload holds our own ID of the
resource as `id` and what tells more of the event; never a credential, never a document that may hold one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from conductor.audit import causes
from conductor.audit.causal_jobs import JOB, OF_JOBS
from conductor.audit.event_log import ADMINISTRATORS
from conductor.audit.payloads import payload
from conductor.audit.resources import correlation, event_id, kind_type, resource_id
from conductor.audit.rows import singular
from conductor.signals import (
    ActionRun,
    Activity,
    AlertCleared,
    AlertFired,
    DefinitionChanged,
    EventFired,
    EventRow,
    JobFlushed,
    LeadershipChanged,
    LoginRefused,
    Notice,
    SecretUsed,
    ServerAdded,
    ServerRemoved,
    SessionsEnded,
    Signal,
    SnapshotTaken,
    TicketChanged,
    UserLoggedIn,
    WorkflowDecided,
)
from shared import ids

Json = dict[str, Any]

_PRIVATE_KINDS: Final = frozenset({"users", "api_keys", "roles", "secrets"})
_VERBS: Final = {
    "create": "created", "update": "updated", "delete": "deleted", "multi_update": "reordered",
    "add_change": "commented", "update_change": "comment_changed", "add_files": "files_added",
    "delete_file": "file_deleted",
}  # fmt: skip
_TOLD_OTHERWISE: Final = frozenset({"job_resume"})
"""Activities whose event is that of a signal with a type of its own."""


class _Event(NamedTuple):
    type: str
    resource: tuple[str, str]
    """Its type and our own ID."""
    payload: Json
    id: str = ""
    """Empty: one of its own, as it happens once and is told once."""
    cause: str = ""
    category: str | None = None
    groups: tuple[str, ...] | None = None


def rows(signal: Signal, moment: float) -> tuple[EventRow, ...]:
    """The row of a signal that happened at `moment` (Unix seconds); none for what is no event."""
    of_job = OF_JOBS.get(type(signal))
    if of_job is not None:
        return (of_job(signal, moment),)
    describe = _DESCRIBED.get(type(signal))
    event = describe(signal) if describe else None
    if event is None:
        return ()
    id = event.id or ids.story_id()
    actor = signal.actor
    story = signal.correlation_id or actor.story
    groups = signal.groups if event.groups is None else event.groups
    resource_type, our_id = event.resource
    return (
        EventRow(
            id,
            int(moment * 1_000_000),
            event.type[:64],
            actor.kind[:16],
            (actor.id or actor.kind)[:128],
            resource_type,
            resource_id(resource_type, our_id),
            correlation(story) if story else id,
            signal.causation_id or event.cause,
            (signal.category if event.category is None else event.category)[:64],
            f",{','.join(groups)}," if groups else "",
            payload(our_id, event.payload),
        ),
    )


def _fired(signal: EventFired) -> _Event:
    return _Event(
        "schedule.fired",
        ("automation", signal.event_id),
        {
            "trigger": str(signal.trigger.get("id") or signal.trigger.get("type") or ""),
            "minute": signal.minute,
        },
        causes.fired(signal.event_id, signal.minute, signal.correlation_id),
    )


def _flushed(signal: JobFlushed) -> _Event:
    id = signal.job_id
    return _Event("job.flushed", (JOB, id), {"event": signal.event_id}, "", causes.accepted(id))


def _decided(signal: WorkflowDecided) -> _Event:
    told = {
        "job": signal.job_id, "event": signal.event_id, "node": signal.node, "controller": signal.controller,
        **signal.facts,
    }  # fmt: skip
    return _Event("workflow.decided", ("decision", f"{signal.job_id}-{signal.node}"), told, signal.id)


def _action(signal: ActionRun) -> _Event:
    about = {"job": signal.job_id} if signal.job_id else {"alert": signal.alert_id}
    subject = signal.subject
    key = signal.key
    return _Event(
        "action.failed" if signal.code else "action.succeeded",
        ("action_run", key or ids.story_id()),
        {
            **about,
            "type": signal.type,
            "condition": signal.condition,
            "code": signal.code,
            "description": signal.description[:1000],
            "elapsed_ms": signal.elapsed_ms,
        },
        causes.acted(key) if key else "",
        causes.alerted(signal.alert_id) if signal.alert_id else "",
        category=str(subject.get("category") or ""),
        groups=signal.groups or tuple(map(str, subject.get("groups") or ())),
    )


def _definition(signal: DefinitionChanged) -> _Event:
    item, kind = signal.item, signal.kind
    id = str(item.get("id") or item.get("username") or "")
    told: Json = {"updated": list(signal.updated)} if signal.updated else {}
    if title := item.get("title"):
        told["title"] = str(title)
    if isinstance(item.get("revision"), int):
        told["revision"] = item["revision"]
    category = ""
    groups: tuple[str, ...] = ()
    if kind in _PRIVATE_KINDS:
        category = ADMINISTRATORS
    elif kind == "categories":
        category = id
    elif kind == "groups":
        groups = (id,) if id else ()
    elif kind == "events":
        category = str(item.get("category") or "")
        if item.get("type") != "workflow" and isinstance(item.get("targets"), list):
            groups = tuple(map(str, item["targets"]))
    verb = _VERBS.get(signal.verb, signal.verb)
    return _Event(
        f"{singular(kind)}.{verb}", (kind_type(kind), id or kind), told, category=category, groups=groups
    )


def _login(signal: UserLoggedIn) -> _Event:
    return _of_user("login.succeeded", signal.username, {"ip": _address(signal)})


def _refused(signal: LoginRefused) -> _Event:
    return _of_user("login.refused", signal.username[:128], {"ip": _address(signal), "reason": signal.reason})


def _address(signal: Signal) -> str:
    return signal.actor.ips[0] if signal.actor.ips else ""


def _sessions_ended(signal: SessionsEnded) -> _Event:
    return _of_user("login.ended", signal.username, {})


def _of_user(type: str, username: str, told: Json) -> _Event:
    return _Event(type, (kind_type("users"), username), told, category=ADMINISTRATORS)


def _server(type: str) -> Callable[[Any], _Event]:
    def describe(signal: ServerAdded | ServerRemoved) -> _Event:
        server = signal.server
        groups = tuple(map(str, server.get("groups") or ()))
        told = {"hostname": str(server.get("hostname") or "")}
        return _Event(type, ("connection", str(server.get("id") or "")), told, groups=groups)

    return describe


def _notice(signal: Notice) -> _Event:
    server = signal.server
    told: Json = {"description": signal.description[:1000]}
    if server:
        groups = tuple(map(str, server.get("groups") or ()))
        resource = ("connection", str(server.get("id") or ""))
        return _Event(f"notice.{signal.level}", resource, told, groups=groups)
    return _Event(f"notice.{signal.level}", ("template", "system"), told, category=ADMINISTRATORS)


def _leadership(signal: LeadershipChanged) -> _Event:
    type = "leadership.taken" if signal.primary else "leadership.left"
    told = {"epoch": signal.epoch}
    id = event_id(type, signal.host, signal.epoch)
    return _Event(type, ("connection", signal.host), told, id, category=ADMINISTRATORS)


def _alert(signal: AlertFired | AlertCleared) -> _Event:
    invocation = signal.invocation
    id = str(invocation.get("id") or "")
    fired = isinstance(signal, AlertFired)
    told = {key: invocation[key] for key in ("alert", "server", "message") if invocation.get(key)}
    return _Event(
        "alert.fired" if fired else "alert.cleared",
        ("decision", id),
        told,
        causes.alerted(id) if fired else event_id("alert.cleared", id),
        "" if fired else causes.alerted(id),
        groups=tuple(map(str, invocation.get("groups") or ())),
    )


def _snapshot(signal: SnapshotTaken) -> _Event:
    told = {"kind": signal.kind, "of": signal.resource_id, "source": signal.source}
    groups = (signal.resource_id,) if signal.kind == "group" else signal.groups
    return _Event("snapshot.taken", ("artifact", signal.snapshot_id), told, groups=groups)


def _ticket(signal: TicketChanged) -> _Event:
    ticket = signal.ticket
    told = {key: ticket[key] for key in ("num", "subject", "status") if key in ticket}
    return _Event(
        f"ticket.{_VERBS.get(signal.verb, signal.verb)}",
        ("chat_thread", str(ticket.get("id") or "")),
        told,
        category=str(ticket.get("category") or ""),
    )


def _secret(signal: SecretUsed) -> _Event:
    kind, id = signal.used_by
    told = {"used_by": {"kind": kind, "id": id}}
    return _Event("secret.used", (kind_type("secrets"), signal.secret_id), told, category=ADMINISTRATORS)


def _activity(signal: Activity) -> _Event | None:
    if signal.action in _TOLD_OTHERWISE:
        return None
    what, _, verb = signal.action.partition("_")
    kind, id = signal.resource
    return _Event(
        f"{what}.{verb or 'noted'}",
        (_OF_ACTIVITY.get(kind) or kind_type(f"{kind}s"), id or signal.action),
        {"description": signal.description[:1000], "resource": kind},
        # What has neither category nor group is nobody's but the administrators'.
        category=signal.category or ("" if signal.groups or kind in _SHOWN else ADMINISTRATORS),
    )


_OF_ACTIVITY: Mapping[str, str] = {
    "job": JOB, "server": "connection", "file": "artifact", "snapshot": "artifact", "alert_invocation": "decision",
}  # fmt: skip
_SHOWN: Final = frozenset({"bucket"})

_DESCRIBED: Mapping[type[Signal], Callable[[Any], _Event | None]] = {
    ActionRun: _action,
    Activity: _activity,
    AlertCleared: _alert,
    AlertFired: _alert,
    DefinitionChanged: _definition,
    EventFired: _fired,
    JobFlushed: _flushed,
    LeadershipChanged: _leadership,
    LoginRefused: _refused,
    Notice: _notice,
    SecretUsed: _secret,
    ServerAdded: _server("satellite.joined"),
    ServerRemoved: _server("satellite.lost"),
    SessionsEnded: _sessions_ended,
    SnapshotTaken: _snapshot,
    TicketChanged: _ticket,
    UserLoggedIn: _login,
    WorkflowDecided: _decided,
}
