"""What just happened, as typed values: what services announce (announcer.py) and observers hear of."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who caused something. `kind`: user, api_key, schedule, trigger, satellite or system."""

    kind: str
    id: str = ""
    ips: tuple[str, ...] = ()
    useragent: str = ""
    story: str = ""
    """The story in which it acts, such as an API request's: of all that it causes and that has no other."""


SYSTEM = Actor(kind="system")


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    actor: Actor = SYSTEM
    correlation_id: str = ""
    """The story that it belongs to; empty: a story of its own."""
    causation_id: str = ""
    """The event (audit/causes.py) that led to it; empty: nothing did, or it follows from what it is."""
    category: str = ""
    groups: tuple[str, ...] = ()
    """Category and groups of what it is about: they decide who may hear of it."""


class DefinitionChanged(Signal, frozen=True, kw_only=True):
    """A definition was created, updated or deleted. `verb`: create, update, delete or multi_update."""

    kind: str
    verb: str
    item: Mapping[str, Any]
    updated: tuple[str, ...] = ()


class UserLoggedIn(Signal, frozen=True, kw_only=True):
    """`user` is what a log may keep of the account; `session` stands for the session and opens nothing."""

    username: str
    user: Mapping[str, Any] = {}
    session: str = ""


class JobAccepted(Signal, frozen=True, kw_only=True):
    """The job is promised. `job` is its summary."""

    job_id: str
    event_id: str
    job: Mapping[str, Any] = {}


class JobStarted(Signal, frozen=True, kw_only=True):
    job_id: str
    event_id: str
    server_id: str
    attempt: int
    workflow: bool = False
    """The job is a workflow's."""


class JobFinished(Signal, frozen=True, kw_only=True):
    """The job is in the archive and has left the book."""

    job_id: str
    event_id: str
    code: Any
    elapsed: float
    job: Mapping[str, Any] = {}
    """The record as it was archived."""
    attempt: int = 0
    """Which launch it was the end of; 0: it was never launched."""


class JobAborted(Signal, frozen=True, kw_only=True):
    """Somebody asked for the abort; the job's end is announced by JobFinished."""

    job_id: str
    reason: str


class JobDeleted(Signal, frozen=True, kw_only=True):
    job_id: str


class ServerAdded(Signal, frozen=True, kw_only=True):
    server: Mapping[str, Any]


class ServerRemoved(Signal, frozen=True, kw_only=True):
    server: Mapping[str, Any]


class ServerChanged(Signal, frozen=True, kw_only=True):
    """A server's record is not what it was, or is gone; what somebody did to it is an activity of its own."""

    server: Mapping[str, Any]


class Notice(Signal, frozen=True, kw_only=True):
    """Something an operator should read. `level`: notice, warning, error or critical."""

    level: str
    description: str
    details: str = ""
    server: Mapping[str, Any] = {}


class LeadershipChanged(Signal, frozen=True, kw_only=True):
    host: str
    primary: bool
    epoch: int


class JobQueued(Signal, frozen=True, kw_only=True):
    """The job waits until a limit lets it start."""

    job_id: str
    event_id: str
    since: float = 0.0
    """When it began to wait."""


class JobRetried(Signal, frozen=True, kw_only=True):
    """The ended job is tried again as `next_id`, after `delay` seconds."""

    job_id: str
    next_id: str
    event_id: str
    delay: float


class JobFlushed(Signal, frozen=True, kw_only=True):
    """Somebody took the job out of a queue: it never ran, and there is no record of it."""

    job_id: str
    event_id: str


class JobSuspended(Signal, frozen=True, kw_only=True):
    job_id: str


class JobResumed(Signal, frozen=True, kw_only=True):
    job_id: str


class WorkflowDecided(Signal, frozen=True, kw_only=True):
    """A controller of a workflow has come to a decision; `facts` tell to which."""

    job_id: str
    event_id: str
    id: str
    """Of this decision: a UUID."""
    node: str
    controller: str
    facts: Mapping[str, Any]


class EventFired(Signal, frozen=True, kw_only=True):
    """A trigger's moment has come and is recorded; `minute` is the Unix time of its minute."""

    event_id: str
    trigger: Mapping[str, Any]
    minute: int


class ActionRun(Signal, frozen=True, kw_only=True):
    """An action of a job or an alert has been carried out. `code` is 0 when it succeeded."""

    type: str
    condition: str
    code: Any
    description: str
    elapsed_ms: int
    job_id: str = ""
    alert_id: str = ""
    action: Mapping[str, Any] = {}
    """The action with its result (contract actions.md §5)."""
    key: str = ""
    """Of this execution, the same when it is repeated after a take-over."""
    subject: Mapping[str, Any] = {}
    """What decides who may hear of it: the job's event, category and targets, or the server's groups."""


class JobConditionMet(Signal, frozen=True, kw_only=True):
    """A condition of actions has come true for a job (contract actions.md §2), actions or not.

    System hooks are named `job_<condition>`; `hook_data` makes what they are told (contract §8), for whoever
    needs it. `groups` are those of the job's server.
    """

    job_id: str
    event_id: str
    condition: str
    category_id: str = ""
    plugin_id: str = ""
    server_id: str = ""
    groups: tuple[str, ...] = ()
    hook_data: Callable[[], Mapping[str, Any]] = dict


class AlertFired(Signal, frozen=True, kw_only=True):
    """`invocation` is the stored record (contract structures/alert_invocation.yaml)."""

    invocation: Mapping[str, Any]
    definition: Mapping[str, Any] = {}
    server: Mapping[str, Any] = {}


class AlertCleared(Signal, frozen=True, kw_only=True):
    invocation: Mapping[str, Any]
    definition: Mapping[str, Any] = {}
    server: Mapping[str, Any] = {}


class AlertsShifted(Signal, frozen=True, kw_only=True):
    """Active alerts of a server are other ones now, and none fired or cleared: it fell silent, or is back."""

    server_id: str


class SnapshotTaken(Signal, frozen=True, kw_only=True):
    """`kind` is server or group; `resource_id` that of the server or group."""

    snapshot_id: str
    kind: str
    resource_id: str
    source: str


class TicketChanged(Signal, frozen=True, kw_only=True):
    """`verb`: create, update, delete, add_change, update_change, add_files or delete_file.

    `changes` are the new entries of its change log, or the one that was edited or removed; `payload` joins the
    activity row as it is.
    """

    verb: str
    ticket: Mapping[str, Any]
    changes: tuple[Mapping[str, Any], ...] = ()
    payload: Mapping[str, Any] = {}


class LoginRefused(Signal, frozen=True, kw_only=True):
    username: str
    reason: str


class UserChanged(Signal, frozen=True, kw_only=True):
    """An account, or its settings, are not what they were; not an activity by itself."""

    username: str
    deleted: bool = False


class SessionsEnded(Signal, frozen=True, kw_only=True):
    """Sessions are over: those with `keys`, or without any every one of the user but `but`.

    The keys are hashes (access/sessions.py); nobody gets in with them.
    """

    username: str
    keys: tuple[str, ...] = ()
    but: str = ""


class SecretUsed(Signal, frozen=True, kw_only=True):
    """Values of a secret were handed to whom `used_by` names: (kind, ID). The values are never told."""

    secret_id: str
    used_by: tuple[str, str]


class HookDelivered(Signal, frozen=True, kw_only=True):
    """A web hook was sent, however often it was tried; nothing secret is in it. `code` is 0 when it succeeded.

    `hook_id` is empty for a system hook's plain URL.
    """

    hook_id: str
    title: str
    method: str
    url: str
    code: int | str
    description: str
    details: str
    elapsed_ms: int


class Activity(Signal, frozen=True, kw_only=True):
    """An activity of the contract that needs no type of its own: `payload` joins the row as it is.

    Callers redact: nothing secret may be in it. `resource` is (type, ID) of what it happened to.
    """

    action: str
    description: str = ""
    payload: Mapping[str, Any] = {}
    keywords: tuple[str, ...] = ()
    resource: tuple[str, str] = ("", "")


class EventRow(NamedTuple):
    """A row of the causal event log as it is written (records/chain.py): its columns in the order of its hash."""

    id: str
    occurred: int
    """Microseconds since 1970."""
    type: str
    actor_type: str
    actor: str
    resource_type: str
    resource: str
    correlation: str
    causation: str
    """Empty: nothing caused it."""
    category: str
    groups: str
    """As `,main,web,`; empty: none."""
    payload: bytes
