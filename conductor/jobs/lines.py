"""Which jobs are similar, so that they share a concurrency limit and a queue (contract jobs.md §4, §9). Pure."""

from collections.abc import Mapping
from typing import Any


def parent_of(job: Mapping[str, Any]) -> str:
    """The workflow job that launched it; empty for a job of its own."""
    workflow = job.get("workflow")
    return str(workflow.get("job") or "") if isinstance(workflow, dict) else ""


def line_of(job: Mapping[str, Any]) -> str:
    """The queue of a job: its event and type; of a sub-job its node, in this one run of the workflow."""
    parent = parent_of(job)
    if not parent:
        return kind_of(job)
    return f"{job['workflow'].get('node')}@{parent}:{job.get('type') or ''}"


def kind_of(job: Mapping[str, Any]) -> str:
    """Event and type: what a job on its own shares its concurrency with, sub-jobs of the same event included."""
    event, type_ = str(job.get("event") or ""), str(job.get("type") or "")
    return f"{event}:{type_}" if type_ else event
