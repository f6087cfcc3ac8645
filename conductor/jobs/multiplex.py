"""`multiplex` as an event's algorithm: one job on every eligible server (contract jobs.md §7.1). Pure.

The parent is a workflow job: a multiplex controller wired to one event node, so that clients who know
workflows can show it. It runs nowhere itself. IDs of its sub-jobs follow from its own and the server's, so that
whoever takes the step of making them again makes the same ones.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from conductor.jobs import limits
from conductor.jobs.algorithms import MULTIPLEX
from conductor.jobs.compose import armed, words
from conductor.settings import Settings
from shared import ids

CONTROLLER = "nmultiplex"
NODE = "nevent"
PLUGIN = "_workflow"
MOST_SERVERS = 1000
"""Sub-jobs of one workflow job (`max_jobs_per_workflow`)."""
TEMPLATE = "multiplex"
"""The property in which a parent that has not started keeps what its sub-jobs are made of."""

_OF_PARENT = frozenset({"job", "queue", "day", "file"})
"""Limits that hold for the parent; the others hold for each sub-job."""
_RUN_WITH = ("plugin", "command", "script", "uid", "gid", "kill", "runner", "env")
_INHERITED = (
    "event", "category", "username", "params", "fields", "tags", "notes", "icon", "label", "expression", "test",
    "test_actions", "test_limits", "test_conditions", "invisible", "ephemeral", "tickets", "now",
)  # fmt: skip
_ID_DIGITS = 8

Json = dict[str, Any]
Doc = Mapping[str, Any]


class Child(NamedTuple):
    """A sub-job to be."""

    server: str
    job: Json


class Sum(NamedTuple):
    """What the sub-jobs come to."""

    code: int | str
    description: str


def wanted(job: Doc) -> bool:
    """Whether a composed job is to run on every server: its algorithm says so, overrides included."""
    return job.get("algo") == MULTIPLEX and job.get("type") != "workflow"


def parent(job: Doc, event: Doc, settings: Settings) -> Json:
    """The parent of what was composed as a single job. `event` is the document that was launched."""
    skip_limits = bool(job.get("test")) and not job.get("test_limits")
    skip_actions = bool(job.get("test")) and not job.get("test_actions")
    own_limits = [one for one in _entries(job, "limits") if one.get("source") != "universal"]
    own_actions = [one for one in _entries(job, "actions") if one.get("source") != "universal"]
    template = {key: job[key] for key in _RUN_WITH if key in job}
    template["limits"] = [one for one in _entries(job, "limits") if one.get("type") not in _OF_PARENT]
    template["actions"] = [one for one in _entries(job, "actions") if one.get("source") == "universal"]
    stagger = limits.number(event.get("stagger"))
    made = {key: value for key, value in job.items() if key not in _RUN_WITH or key == "env"}
    made.update(
        type="workflow",
        plugin=PLUGIN,
        limits=[
            one
            for one in (*own_limits, *_universal(settings.job_universal_limits, skip=skip_limits))
            if one.get("type") in _OF_PARENT
        ],
        actions=[*own_actions, *_universal(settings.job_universal_actions, skip=skip_actions)],
        workflow=_graph(job, stagger),
    )
    made[TEMPLATE] = {**template, "stagger": stagger}
    return made


def children(parent: Doc, servers: Sequence[str], now: float) -> list[Child]:
    """One sub-job for each server, later ones delayed by the stagger."""
    template = parent[TEMPLATE]
    stagger = limits.number(template.get("stagger"))
    made = []
    for place, server in enumerate(servers):
        until = now + stagger * place
        job = {key: parent[key] for key in _INHERITED if key in parent}
        job.update({key: value for key, value in template.items() if key != "stagger"})
        job.update(
            id=child_id(str(parent["id"]), server),
            source="workflow",
            state="start_delay" if until > now else "ready",
            started=now,
            log_file_size=0,
            targets=[server],
            algo="random",
            tags=words(parent.get("tags")),
            limits=armed(template["limits"]),
            actions=armed(template["actions"]),
            params=dict(parent.get("params") or {}),
            workflow={
                "event": parent["event"],
                "job": parent["id"],
                "node": NODE,
                "launcher": CONTROLLER,
                "params": dict(parent.get("params") or {}),
                "now": parent.get("now"),
            },
        )
        if until > now:
            job["until"] = until
        made.append(Child(server, job))
    return made


def child_id(parent_id: str, server: str) -> str:
    """The same for the same two: no server gets a second sub-job of one parent."""
    digest = int.from_bytes(hashlib.blake2b(server.encode(), digest_size=8).digest())
    return parent_id + ids.base36(digest).rjust(_ID_DIGITS, "0")[-_ID_DIGITS:]


def fanned_out(workflow: Doc, made: Iterable[Child], now: float) -> Json:
    """The parent's workflow once its sub-jobs exist; `pending` are those without an end."""
    pending = {child.job["id"]: child.server for child in made}
    state = {
        CONTROLLER: {"started": now, "active": True, "max": len(pending), "count": 0, "pending": pending},
        NODE: {"started": now},
    }
    return {**workflow, "state": state, "jobs": {NODE: []}}


def pending(workflow: Doc) -> dict[str, str]:
    """The servers of the sub-jobs that have not ended, by job ID."""
    state = workflow.get("state")
    controller = state.get(CONTROLLER) if isinstance(state, dict) else None
    found = controller.get("pending") if isinstance(controller, dict) else None
    return found if isinstance(found, dict) else {}


def ended(workflow: Doc, child: Doc) -> Json:
    """The parent's workflow after the end of a sub-job; what is told twice changes nothing."""
    waiting = dict(pending(workflow))
    server = waiting.pop(str(child["id"]), None)
    if server is None:
        return dict(workflow)
    stub = {
        "id": child["id"],
        "code": child.get("code", 0),
        "description": str(child.get("description") or ""),
        "server": str(child.get("server") or server),
        "completed": child.get("completed"),
        "elapsed": child.get("elapsed"),
        "tags": list(child.get("tags") or ()),
        "files": list(child.get("files") or ()),
    }
    count = int(workflow["state"][CONTROLLER]["count"])
    if again := _next_attempt(child):
        stub["retried"] = True
        waiting[again] = server
    else:
        count += 1
    if child.get("label"):
        stub["label"] = child["label"]
    controller = {**workflow["state"][CONTROLLER], "count": count, "pending": waiting}
    if not waiting:
        controller = {key: value for key, value in controller.items() if key not in ("pending", "active")}
        controller["completed"] = child.get("completed")
    return {
        **workflow,
        "state": {**workflow["state"], CONTROLLER: controller},
        "jobs": {NODE: [*workflow["jobs"][NODE], stub]},
    }


def stubs(workflow: Doc) -> list[Json]:
    """The ended sub-jobs that count: not those that were tried again."""
    jobs = workflow.get("jobs")
    listed = jobs.get(NODE) if isinstance(jobs, dict) else None
    return [stub for stub in listed or () if not stub.get("retried")]


def summed(workflow: Doc) -> Sum:
    """The parent's result (contract workflows.md §7)."""
    if workflow.get("aborted"):
        return Sum("abort", str(workflow["aborted"]))
    counted = stubs(workflow)
    succeeded = sum(not stub["code"] for stub in counted)
    if succeeded == len(counted):
        return Sum(0, f"All {len(counted)} jobs completed successfully.")
    failed = len(counted) - succeeded
    text = f"{failed} of {len(counted)} jobs failed."
    return Sum("warning" if succeeded else 1, text)


def outputs(records: Iterable[Doc]) -> tuple[Json, list[Any]]:
    """`data` and `files` of all sub-jobs in one: arrays are joined, of other values the last one stays."""
    data: Json = {}
    files: list[Any] = []
    for record in records:
        files += record.get("files") or ()
        given = record.get("data")
        for key, value in (given if isinstance(given, dict) else {}).items():
            before = data.get(key)
            data[key] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value
    return data, files


def usage(jobs: Sequence[Doc], kind: str) -> float:
    """The sum of what running sub-jobs use now: `cpu` or `mem`."""
    return sum(limits.number(part.get("current")) for job in jobs if isinstance(part := job.get(kind), dict))


def _next_attempt(child: Doc) -> str:
    if not child.get("retried"):
        return ""
    launched = child.get("jobs")
    retries = [one for one in launched or () if isinstance(one, dict) and one.get("reason") == "retry"]
    return str(retries[-1]["id"]) if retries else ""


def _graph(job: Doc, stagger: float) -> Json:
    node: Json = {
        "event": job.get("event"),
        "params": {},
        "targets": [],
        "expression": "",
        "algo": "random",
        "tags": [],
    }
    return {
        "start": CONTROLLER,
        "nodes": [
            {
                "id": CONTROLLER, "type": "controller", "x": 0, "y": 0,
                "data": {"controller": MULTIPLEX, "stagger": stagger, "continue": 0},
            },
            {"id": NODE, "type": "event", "x": 300, "y": 0, "data": node},
        ],
        "connections": [{"id": "cmultiplex", "source": CONTROLLER, "dest": NODE}],
    }  # fmt: skip


def _entries(job: Doc, name: str) -> list[Json]:
    return [one for one in job.get(name) or () if isinstance(one, dict)]


def _universal(configured: Doc, *, skip: bool) -> list[Json]:
    entries = () if skip else armed(configured.get("workflow"))
    return [{**entry, "source": "universal"} for entry in entries if entry.get("enabled")]
