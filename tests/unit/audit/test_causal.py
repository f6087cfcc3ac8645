"""From signals to events: names, causes, who may see them, and what is never in them."""

import inspect
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor import signals as module
from conductor.audit import causes
from conductor.audit.causal import rows
from conductor.audit.resources import RESOURCE_TYPES, event_id, is_uuid, resource_id
from conductor.signals import (
    SYSTEM,
    ActionRun,
    Activity,
    Actor,
    AlertCleared,
    AlertFired,
    AlertsShifted,
    DefinitionChanged,
    EventFired,
    HookDelivered,
    JobAborted,
    JobAccepted,
    JobConditionMet,
    JobDeleted,
    JobFinished,
    JobFlushed,
    JobQueued,
    JobResumed,
    JobRetried,
    JobStarted,
    JobSuspended,
    LeadershipChanged,
    LoginRefused,
    Notice,
    SecretUsed,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    SessionsEnded,
    Signal,
    SnapshotTaken,
    TicketChanged,
    UserChanged,
    UserLoggedIn,
    WorkflowDecided,
)

MOMENT = 1_700_000_000.5
NO_EVENTS = {AlertsShifted, HookDelivered, JobConditionMet, ServerChanged, UserChanged}
"""A condition is followed by its actions; changes of accounts, servers and alerts are told as what somebody did;
deliveries have a list of their own."""

ACTION = {"type": "email", "condition": "error", "description": "sent", "elapsed_ms": 5}
WORKFLOW = {"type": "workflow", "description": ""}
TOLD: list[tuple[Signal, str, str]] = [
    (
        EventFired(event_id="e1", trigger={"id": "t1"}, minute=60, correlation_id="c"),
        "schedule.fired",
        "automation",
    ),
    (JobAccepted(job_id="j1", event_id="e1"), "job.accepted", "automation_run"),
    (JobQueued(job_id="j1", event_id="e1"), "job.queued", "automation_run"),
    (JobStarted(job_id="j1", event_id="e1", server_id="s1", attempt=1), "job.started", "automation_run"),
    (
        JobStarted(job_id="j1", event_id="e1", server_id="", attempt=1, workflow=True),
        "workflow.started",
        "automation_run",
    ),
    (JobFinished(job_id="j1", event_id="e1", code=0, elapsed=1), "job.succeeded", "automation_run"),
    (JobFinished(job_id="j1", event_id="e1", code="warning", elapsed=1), "job.failed", "automation_run"),
    (JobFinished(job_id="j1", event_id="e1", code=7, elapsed=1), "job.failed", "automation_run"),
    (JobFinished(job_id="j1", event_id="e1", code="abort", elapsed=1), "job.aborted", "automation_run"),
    (JobFinished(job_id="j1", event_id="e1", code="lost", elapsed=1), "job.lost", "automation_run"),
    (
        JobFinished(job_id="j1", event_id="e1", code=7, elapsed=1, job=WORKFLOW),
        "workflow.failed",
        "automation_run",
    ),
    (JobRetried(job_id="j1", next_id="j2", event_id="e1", delay=0), "job.retried", "automation_run"),
    (JobAborted(job_id="j1", reason="why"), "job.abort_requested", "automation_run"),
    (JobDeleted(job_id="j1"), "job.deleted", "automation_run"),
    (JobFlushed(job_id="j1", event_id="e1"), "job.flushed", "automation_run"),
    (JobSuspended(job_id="j1"), "job.suspended", "automation_run"),
    (JobResumed(job_id="j1"), "job.resumed", "automation_run"),
    (ActionRun(**ACTION, code=0, job_id="j1", key="j1-0"), "action.succeeded", "action_run"),
    (ActionRun(**ACTION, code="email", alert_id="a1", key="a1-x-0"), "action.failed", "action_run"),
    (DefinitionChanged(kind="events", verb="create", item={"id": "e1"}), "event.created", "automation"),
    (DefinitionChanged(kind="plugins", verb="update", item={"id": "p1"}), "plugin.updated", "agent_spec"),
    (DefinitionChanged(kind="web_hooks", verb="delete", item={"id": "w1"}), "web_hook.deleted", "connection"),
    (DefinitionChanged(kind="categories", verb="multi_update", item={}), "category.reordered", "template"),
    (DefinitionChanged(kind="users", verb="update", item={"username": "ann"}), "user.updated", "template"),
    (UserLoggedIn(username="ann"), "login.succeeded", "template"),
    (LoginRefused(username="ann", reason="wrong password"), "login.refused", "template"),
    (SessionsEnded(username="ann"), "login.ended", "template"),
    (ServerAdded(server={"id": "s1"}), "satellite.joined", "connection"),
    (ServerRemoved(server={"id": "s1"}), "satellite.lost", "connection"),
    (Notice(level="warning", description="hot"), "notice.warning", "template"),
    (LeadershipChanged(host="h", primary=True, epoch=3), "leadership.taken", "connection"),
    (LeadershipChanged(host="h", primary=False, epoch=3), "leadership.left", "connection"),
    (AlertFired(invocation={"id": "a1"}), "alert.fired", "decision"),
    (AlertCleared(invocation={"id": "a1"}), "alert.cleared", "decision"),
    (
        SnapshotTaken(snapshot_id="x", kind="server", resource_id="s1", source="user"),
        "snapshot.taken",
        "artifact",
    ),
    (TicketChanged(verb="create", ticket={"id": "t1"}), "ticket.created", "chat_thread"),
    (
        WorkflowDecided(
            job_id="j1",
            event_id="e1",
            id=event_id("d"),
            node="n1",
            controller="decision",
            facts={"holds": True},
        ),
        "workflow.decided",
        "decision",
    ),
    (SecretUsed(secret_id="z1", used_by=("plugin", "p1")), "secret.used", "template"),
    (Activity(action="queue_flush", resource=("event", "e1")), "queue.flush", "automation"),
]


@pytest.mark.parametrize(("signal", "type", "resource"), TOLD, ids=[one[1] for one in TOLD])
def test_causal_events_have_their_name_and_resource(signal: Signal, type: str, resource: str) -> None:
    [made] = rows(signal, MOMENT)
    payload = msgspec.json.decode(made.payload)
    assert (made.type, made.resource_type) == (type, resource)
    assert resource in RESOURCE_TYPES
    assert made.resource == resource_id(resource, payload["id"])
    assert (made.occurred, made.actor_type, made.actor) == (
        1_700_000_000_500_000,
        "system",
        "system",
    )
    assert is_uuid(made.id)
    assert is_uuid(made.correlation)
    assert made.causation == "" or is_uuid(made.causation)


def test_every_signal_is_an_event_or_says_why_not() -> None:
    types = {
        one
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Signal) and one is not Signal
    }
    assert types == {type(signal) for signal, _, _ in TOLD} | NO_EVENTS
    assert rows(UserChanged(username="ann"), MOMENT) == ()


def _one(signal: Signal) -> Any:
    return rows(signal, MOMENT)[0]


def test_causal_ids_are_the_same_in_every_term_and_name_their_causes() -> None:
    fired = _one(EventFired(event_id="e1", trigger={}, minute=60, correlation_id="c"))
    accepted = _one(JobAccepted(job_id="j1", event_id="e1", causation_id=fired.id))
    started = _one(JobStarted(job_id="j1", event_id="e1", server_id="s", attempt=2))
    ended = _one(JobFinished(job_id="j1", event_id="e1", code=7, elapsed=1, attempt=2))
    retried = _one(JobRetried(job_id="j1", next_id="j2", event_id="e1", delay=0))
    again = _one(JobAccepted(job_id="j2", event_id="e1", job={"retry_prev": "j1"}))
    child = _one(JobAccepted(job_id="j3", event_id="e2", job={"workflow": {"job": "w1"}}))
    assert fired.id == causes.fired("e1", 60, "c")
    assert [one.causation for one in (accepted, started, ended, retried, again)] == [
        fired.id, accepted.id, started.id, ended.id, retried.id,
    ]  # fmt: skip
    assert child.causation == causes.started("w1", 1)
    assert _one(JobAccepted(job_id="j1", event_id="e1")).id == accepted.id
    assert _one(JobFinished(job_id="j1", event_id="e1", code=0, elapsed=1)).causation == accepted.id
    assert causes.cause_of_action("j1", {"complete": True}, 2) == ended.id
    assert causes.cause_of_action("j1", {}, 2) == started.id
    assert causes.cause_of_action("j1", {}, 0) == accepted.id


def test_a_story_is_given_or_begins_with_the_event() -> None:
    story = event_id("a story")
    assert _one(JobDeleted(job_id="j", correlation_id=story)).correlation == story
    alone = _one(Notice(level="error", description="x"))
    assert alone.correlation == alone.id


def test_causal_events_are_for_those_who_may_see_the_resource() -> None:
    def seen(signal: Signal) -> tuple[str, str]:
        made = _one(signal)
        return made.category, made.groups

    item = {"id": "e1", "category": "ops", "targets": ["main", "s1"]}
    assert seen(DefinitionChanged(kind="events", verb="update", item=item)) == ("ops", ",main,s1,")
    assert seen(DefinitionChanged(kind="categories", verb="update", item={"id": "ops"})) == ("ops", "")
    assert seen(DefinitionChanged(kind="groups", verb="update", item={"id": "main"})) == ("", ",main,")
    assert seen(JobStarted(job_id="j", event_id="e", server_id="s", attempt=1, category="ops", groups=("a", "b"))) == (
        "ops", ",a,b,",
    )  # fmt: skip
    assert seen(ServerAdded(server={"id": "s1", "groups": ["main"]})) == ("", ",main,")
    for private in (
        LoginRefused(username="x", reason="y"),
        UserLoggedIn(username="x"),
        SecretUsed(secret_id="z", used_by=("plugin", "p")),
        DefinitionChanged(kind="api_keys", verb="create", item={"id": "k"}),
        Notice(level="error", description="x"),
        Activity(action="peer_add"),
    ):
        assert seen(private) == ("*", ""), private


def test_a_causal_event_never_holds_a_secret() -> None:
    hidden = "s3cr3t-value"
    for signal in (
        DefinitionChanged(kind="api_keys", verb="create", item={"id": "k", "key": hidden, "title": "K"}),
        DefinitionChanged(
            kind="users", verb="create", item={"username": "ann", "password": hidden, "salt": hidden}
        ),
        DefinitionChanged(kind="secrets", verb="update", item={"id": "z", "fields": [{"value": hidden}]}),
        UserLoggedIn(username="ann", session=hidden),
        ServerAdded(server={"id": "s", "secret_key": hidden}),
        Activity(action="secret_access", payload={"fields": [{"value": hidden}]}),
    ):
        assert hidden.encode() not in _one(signal).payload


def test_what_is_too_long_is_cut() -> None:
    made = _one(
        DefinitionChanged(
            kind="events",
            verb="update",
            item={"id": "e"},
            updated=tuple(map(str, range(10_000))),
            actor=SYSTEM,
        )
    )
    assert msgspec.json.decode(made.payload) == {"id": "e", "truncated": True}
    made = _one(UserLoggedIn(username="u", actor=Actor(kind="user", id="n" * 500)))
    assert len(made.actor) == 128


@given(st.text(max_size=40), st.text(max_size=40))
def test_causal_ids_are_uuids_of_version_5(kind: str, id: str) -> None:
    space = uuid.UUID("8f0f1f3e-0c5b-5a36-9b5e-6f70736f7262")
    assert resource_id(kind, id) == str(uuid.uuid5(space, f"{kind}:{id}"))
    assert uuid.UUID(event_id(kind, id)).version == 5
