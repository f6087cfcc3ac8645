"""What a step of a workflow tells the event log, and what it says led to the sub-jobs that the step launches.

Each of them, and each decision, was caused by what the step is about: the end of a sub-job, an action that was
carried out, or the workflow's own start where it is about none of these. What a controller launches was caused by
its decision.
"""

from collections.abc import Iterable

from conductor.audit import causes
from conductor.live.job import ActiveJob
from conductor.signals import JobAccepted, WorkflowDecided
from conductor.workflows.run import Command, Decided, Ended, Flow, Happening, Launch
from shared import ids


def cause_of(workflow: ActiveJob, happening: Happening) -> str:
    """The event that led to a step."""
    if isinstance(happening, Ended) and happening.job:
        return causes.ended(happening.job)
    return causes.started(workflow.id, 1)


def tell_decisions(workflow: ActiveJob, commands: Iterable[Command], cause: str) -> dict[str, str]:
    """Say what was decided; the events by node."""
    told: dict[str, str] = {}
    for command in commands:
        if isinstance(command, Decided):
            told[command.node] = id = ids.story_id()
            workflow.say(
                WorkflowDecided(
                    job_id=workflow.id,
                    event_id=str(workflow.job.get("event") or ""),
                    id=id,
                    node=command.node,
                    controller=command.controller,
                    facts=command.facts,
                    causation_id=cause,
                    **workflow.story(),
                )
            )
    return told


def tell_launch(job: ActiveJob, launch: Launch, decisions: dict[str, str], cause: str) -> None:
    """Say that a sub-job is promised."""
    event = str(job.job.get("event") or "")
    found = decisions.get(launch.flow.launcher or "") or cause_of_flow(launch.flow) or cause
    job.say(JobAccepted(job_id=job.id, event_id=event, job=job.job, causation_id=found, **job.story()))


def cause_of_flow(flow: Flow) -> str:
    """The end of the sub-job that the flow comes from, empty where it comes from none."""
    before = (flow.parent or {}).get("job")
    return causes.ended(str(before)) if before else ""
