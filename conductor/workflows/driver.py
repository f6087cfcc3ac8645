"""Carries workflows out: each step is stored in the job book together with what it launches, then acted on.

Steps of one workflow are computed without waiting in between and written in that order; so a primary that is
killed anywhere leaves a run whose last stored step is whole, and the next one goes on from it. What a step
asked for besides sub-jobs (actions, aborts, the end) is asked for again after a take-over.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec
import structlog

from conductor.errors import Refusal
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.job_archive import JobArchive
from conductor.workflows import completion, rerun
from conductor.workflows.advance import Advance, advance
from conductor.workflows.ends import ended, entry_of, lost, refused_launch
from conductor.workflows.ledger import Entry, Ledger
from conductor.workflows.ports import Fleet, FlowActions, Library, SubJobs
from conductor.workflows.run import (
    Abort,
    AbortJobs,
    Act,
    Acted,
    Begin,
    Complete,
    Ended,
    Happening,
    Json,
    Launch,
    More,
    Note,
    Run,
    Tick,
)
from conductor.workflows.subjobs import event_of
from conductor.workflows.surroundings import Around
from conductor.workflows.telling import cause_of, tell_decisions, tell_launch
from conductor.workflows.usage import current, sampled
from shared import clock, faults

AddNote = Callable[[ActiveJob, str, str], None]
"""(workflow job, text, node): a row of its activity log."""

_READ_TOGETHER: Final = 200

log = structlog.get_logger(__name__)


class Workflows:
    """The workflows of one term. `begin`, `settle` and the rest are called by the job engine."""

    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        library: Library,
        jobs: SubJobs,
        actions: FlowActions,
        fleet: Fleet,
        *,
        most_jobs: int,
        note: AddNote,
    ) -> None:
        self._book = book
        self._archive = archive
        self._library = library
        self._jobs = jobs
        self._actions = actions
        self._fleet = fleet
        self._most_jobs = max(most_jobs, 1)
        self._note = note
        self._ledgers: dict[str, Ledger] = {}

    def takes(self, job: ActiveJob) -> bool:
        """Whether this is a workflow job with a graph; a multiplex event's parent has one for show only."""
        return job.job.get("type") == "workflow" and job.job.get("algo") != "multiplex"

    async def begin(self, job: ActiveJob) -> None:
        """The workflow job has become active. A run that had begun before goes on where it was."""
        ledger = self._ledger(job)
        if ledger.begun:
            await self._go_on(ledger)
            return
        workflow = job.job["workflow"]
        if workflow.get("rerun"):
            await self._rerun(ledger, str(workflow["rerun"]))
            return
        given = job.details.get("input") or {}
        await self._happen(
            ledger,
            Begin(
                str(workflow.get("start") or ""),
                {"data": given.get("data") or {}, "files": given.get("files") or []},
            ),
        )

    async def settle(
        self, child: ActiveJob, record: Mapping[str, Any], follow_ups: Sequence[ActiveJob] = ()
    ) -> bool:
        """An archived sub-job leaves the book, and its workflow goes on, in one step.

        False when it belongs to no active workflow: then the caller lets it leave. `follow_ups` are the next
        attempt of a retried one.
        """
        parent = self._book.get(child.parent) if child.parent else None
        if parent is None or not self.takes(parent):
            return False
        await self._happen(
            self._ledger(parent),
            ended(child.job["workflow"], record, self._jobs.conditions(record)),
            entry=entry_of(child.job["workflow"], record),
            child=child,
            follow_ups=follow_ups,
        )
        return True

    async def flushed(self, child: ActiveJob, reason: str) -> bool:
        """A sub-job was taken out of the queue and leaves no record: its workflow goes on without it."""
        record = {
            "id": child.id,
            "code": "abort",
            "description": reason,
            "completed": clock.now(),
            "elapsed": 0,
            "tags": [],
        }
        return await self.settle(child, record)

    async def abort(self, job: ActiveJob, reason: str) -> None:
        """Abort a run: what is under way is aborted, nothing new begins, it ends when all has ended."""
        await self._happen(self._ledger(job), Abort(reason))

    async def tick(self) -> None:
        """Once a second: waits that are over, joins that give up, usage and progress of the whole."""
        now = clock.now()
        for ledger in list(self._ledgers.values()):
            if ledger.job.id not in self._book:
                self._ledgers.pop(ledger.job.id, None)
                continue
            self._sum_up(ledger, now)
            if _something_is_due(ledger, now):
                await self._happen(ledger, Tick())

    def forget(self, job_id: str) -> None:
        """The workflow job has left the book."""
        self._ledgers.pop(job_id, None)

    # Inside

    def _ledger(self, job: ActiveJob) -> Ledger:
        ledger = self._ledgers.get(job.id)
        if ledger is None:
            ledger = self._ledgers[job.id] = Ledger(job)
        return ledger

    async def _rerun(self, ledger: Ledger, job_id: str) -> None:
        """Go on from where the run of another job failed."""
        failed = await self._archive.get(job_id)
        workflow = failed.get("workflow") if failed else None
        if not isinstance(workflow, dict) or "run" not in workflow:
            await self._happen(ledger, Abort(f"There is no failed run to go on from: {job_id}"))
            return
        stubs = workflow.get("jobs") or {}
        ids = [str(stub["id"]) for some in stubs.values() for stub in some if stub.get("id")]
        records: dict[str, Json] = {}
        for start in range(0, len(ids), _READ_TOGETHER):
            records |= await self._archive.get_many(ids[start : start + _READ_TOGETHER], verbose=True)
        planned = rerun.plan(ledger.graph, msgspec.convert(workflow["run"], Run), stubs, records)
        ledger.run = planned.run
        fields: dict[str, bytes] = {}
        for node, stub in planned.kept:
            record = records.get(str(stub["id"]), {})
            fields |= ledger.record(
                Entry(node=node, stub=stub, data=record.get("data"), shared=record.get("workflowData"))
            )
        await self._happen(ledger, planned.restart, fields=fields)

    async def _happen(
        self,
        ledger: Ledger,
        happening: Happening,
        *,
        fields: Mapping[str, bytes] = MappingProxyType({}),
        entry: Entry | None = None,
        child: ActiveJob | None = None,
        follow_ups: Sequence[ActiveJob] = (),
    ) -> None:
        """Compute steps until nothing follows, each stored before it takes effect."""
        waiting: deque[tuple[Happening, Entry | None]] = deque([(happening, entry)])
        while waiting:
            happening, entry = waiting.popleft()
            # From here to the write nothing waits: the next step is computed from this one.
            changed = {**fields, **(ledger.record(entry) if entry else {})}
            around = Around(ledger, self._library, self._fleet, self._most_jobs)
            step = advance(ledger.graph, ledger.run, happening, around)
            cause = cause_of(ledger.job, happening)
            decisions = tell_decisions(ledger.job, step.commands, cause)
            launched, refused = self._composed(ledger, step, decisions, cause)
            changed |= ledger.take(step.run)
            await self._book.advance(ledger.job, changed, ended=child, follow_ups=[*follow_ups, *launched])
            faults.reach("conductor.workflow")
            for job in launched:
                self._jobs.entered(job)
                if ledger.run.aborted:  # by a step that was computed while this one was being written
                    self._jobs.abort(job.id, ledger.run.aborted)
            child, follow_ups, fields = None, (), {}
            self._carry_out(ledger, step)
            waiting.extend(refused)
            if step.more:
                waiting.append((More(), None))

    def _composed(
        self, ledger: Ledger, step: Advance, decisions: dict[str, str], cause: str
    ) -> tuple[list[ActiveJob], list[tuple[Happening, Entry | None]]]:
        """The sub-jobs that a step launches; what cannot be launched has failed, and the run goes on."""
        jobs: list[ActiveJob] = []
        refused: list[tuple[Happening, Entry | None]] = []
        for launch in (command for command in step.commands if isinstance(command, Launch)):
            if ledger.graph.nodes[launch.node].data.get("replay"):
                continue
            try:
                job = self._compose(ledger, launch)
                tell_launch(job, launch, decisions, cause)
                jobs.append(job)
            except Refusal as error:
                refused.append(refused_launch(launch, error))
                self._note(ledger.job, error.description, launch.node)
        return jobs, refused

    def _compose(self, ledger: Ledger, launch: Launch) -> ActiveJob:
        node = ledger.graph.nodes[launch.node]
        event = self._library("events", str(node.data.get("event"))) if node.type == "event" else None
        doc, extra = event_of(
            ledger.job.job, ledger.graph, launch, event=event, shared=ledger.shared, moment=clock.now()
        )
        return self._jobs.compose(ledger.job, doc, extra)

    def _carry_out(self, ledger: Ledger, step: Advance) -> None:
        for command in step.commands:
            match command:
                case Note():
                    self._note(ledger.job, command.text, command.node)
                case Launch():
                    if replay := ledger.graph.nodes[command.node].data.get("replay"):
                        self._jobs.spawn(self._replay(ledger, command, str(replay)))
                case Act():
                    self._jobs.spawn(self._act(ledger, command))
                case AbortJobs():
                    for child in self._book.of_workflow(ledger.job.id):
                        self._jobs.abort(child.id, command.reason)
                case Complete():
                    self._finish(ledger, command)

    def _finish(self, ledger: Ledger, complete: Complete) -> None:
        workflow = ledger.job.job["workflow"]
        workflow.pop("aborted", None)
        if complete.code:
            workflow["run"] = msgspec.to_builtins(ledger.run)  # for a rerun
        output = completion.output(ledger.all_results(), ledger.shared)
        self._sum_up(ledger, clock.now())
        self._jobs.finish(
            ledger.job,
            {"code": complete.code, "description": complete.description, **output},
        )

    async def _act(self, ledger: Ledger, act: Act) -> None:
        node = ledger.graph.nodes[act.node]
        wire = ledger.graph.wires.get(act.flow.wire)
        result = await self._actions.run_in_flow(
            ledger.job,
            node.data,
            condition=(wire.condition if wire else "") or "complete",
            output={"input": act.flow.input or {}, "parent": act.flow.parent or {}},
            key=f"{ledger.job.id}-{act.node}-{ledger.run.state.get(act.node, {}).get('count', 0)}",
        )
        await self._happen(ledger, Acted(act.node, result))

    async def _replay(self, ledger: Ledger, launch: Launch, job_id: str) -> None:
        """The record of a finished job stands for a run of the node (workflows.md §9)."""
        record = await self._archive.get(job_id)
        if record is None:
            await self._happen(ledger, Abort(f"Replayed job not found: {job_id}"))
            await self._happen(ledger, Ended(node=launch.node, job=job_id, code="abort"))
            return
        link = {"node": launch.node, "launcher": launch.flow.launcher}
        entry = entry_of(link, record)
        entry.stub["replay"] = True
        await self._happen(
            ledger, ended(link, {**record, "retried": False}, self._jobs.conditions(record)), entry=entry
        )

    async def _go_on(self, ledger: Ledger) -> None:
        """After a take-over: what the last step asked for is asked for again, what was lost has failed."""
        run = ledger.run
        if run.result is not None:
            self._finish(ledger, run.result)
            return
        for node, flows in run.actions.items():
            for flow in flows:
                self._jobs.spawn(self._act(ledger, Act(node=node, flow=flow)))
        present: dict[str, int] = {}
        for child in self._book.of_workflow(ledger.job.id):
            node = str(child.job["workflow"].get("node"))
            present[node] = present.get(node, 0) + 1
            if run.aborted:
                self._jobs.abort(child.id, run.aborted)
        for node, count in list(run.running.items()):
            for _ in range(count - present.get(node, 0)):
                await self._happen(ledger, lost(node, ledger))
        await self._happen(ledger, More())

    def _sum_up(self, ledger: Ledger, now: float) -> None:
        """The workflow job's own usage and progress: those of its sub-jobs together."""
        children = self._book.of_workflow(ledger.job.id)
        progress: dict[str, list[float]] = {}
        for child in children:
            node = str(child.job["workflow"].get("node"))
            progress.setdefault(node, []).append(float(child.job.get("progress") or 0))
        job = ledger.job.job
        job["updated"] = now
        job["progress"] = round(completion.progress(ledger.run, progress), 3)
        for key in ("cpu", "mem"):
            total = sum(current(child.job.get(key)) for child in children)
            job[key] = sampled(job.get(key), total)


def _something_is_due(ledger: Ledger, now: float) -> bool:
    run = ledger.run
    return any(one.due <= now for held in run.waits.values() for one in held) or any(
        0 < arrivals.due <= now for arrivals in run.joins.values()
    )
