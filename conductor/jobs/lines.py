"""Which jobs are similar, so that they share a concurrency limit and a queue (contract jobs.md §4, §9). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.jobs import limits

_SHARED = "*"
"""Begins the name of a shared queue: no event's ID does."""


def parent_of(job: Mapping[str, Any]) -> str:
    """The workflow job that launched it; empty for a job of its own."""
    workflow = job.get("workflow")
    return str(workflow.get("job") or "") if isinstance(workflow, dict) else ""


def shared_of(job: Mapping[str, Any]) -> str:
    """The queue that the job shares with those of other events, by its `job` limit's `shared`; empty for none."""
    limit = limits.first(job, "job")
    name = limit.get("shared") if limit else None
    return f"{_SHARED}{name}" if name and isinstance(name, str) else ""


def line_of(job: Mapping[str, Any]) -> str:
    """The queue of a job: its event and type; of a sub-job its node, in this one run of the workflow.

    One that its `job` limit shares goes before both.
    """
    if shared := shared_of(job):
        return shared
    parent = parent_of(job)
    if not parent:
        return kind_of(job)
    return f"{job['workflow'].get('node')}@{parent}:{job.get('type') or ''}"


def kind_of(job: Mapping[str, Any]) -> str:
    """Event and type: what a job on its own shares its concurrency with, sub-jobs of the same event included."""
    event, type_ = str(job.get("event") or ""), str(job.get("type") or "")
    return f"{event}:{type_}" if type_ else event
