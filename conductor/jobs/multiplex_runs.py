"""Carrying out multiplex jobs: sub-jobs made in one step of the book, their ends counted, their sum told.

All that a parent knows of its sub-jobs can be had again: those under way are in the book, those that ended in
the archive. A primary that dies at any step leaves nothing that the next one cannot count.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from conductor.announcer import Signals
from conductor.errors import Unavailable
from conductor.jobs import multiplex
from conductor.jobs.census import Census
from conductor.jobs.compose import meta_row, words
from conductor.jobs.followers import Followers
from conductor.jobs.lines import parent_of
from conductor.jobs.notes import note
from conductor.jobs.placement import NO_SERVER, Placement
from conductor.jobs.placing import Placing
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.job_archive import JobArchive
from conductor.signals import JobStarted
from shared import clock, faults

_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)

Json = dict[str, Any]


class Multiplexer:
    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        placing: Placing,
        census: Census,
        followers: Followers,
        signals: Signals,
        *,
        host: str,
        end: Callable[[ActiveJob, Json], None],
        abort: Callable[[str, str], None],
        entered: Callable[[ActiveJob], None],
        spawn: Callable[[Coroutine[Any, Any, object]], None],
        no_server: Callable[[ActiveJob, Placement], Coroutine[Any, Any, None]],
    ) -> None:
        """`entered` looks at a new job; `no_server` lets a parent without a candidate wait, or ends it."""
        self._book = book
        self._archive = archive
        self._placing = placing
        self._census = census
        self._followers = followers
        self._signals = signals
        self._host = host
        self._end = end
        self._abort = abort
        self._entered = entered
        self._spawn = spawn
        self._no_server = no_server
        self._outputs: dict[str, dict[str, Json]] = {}
        """Output of ephemeral sub-jobs, by parent: the archive has none of it."""
        self._counting: set[str] = set()
        self._taken_up: set[str] = set()
        """Parents that an earlier primary accepted and did not start: they wait until the fleet is back."""
        self._summing: set[str] = set()

    async def start(self, parent: ActiveJob) -> None:
        """Make the sub-jobs; the parent is active with them, or it waits for a server."""
        if multiplex.TEMPLATE not in parent.job:
            self._end(parent, {"code": "abort", "description": "This version does not run workflows."})
            return
        if parent.id in self._taken_up and self._placing.others_may_come(parent.job):
            return
        found = self._placing.candidates(parent.job)
        if not found.servers:
            placement = Placement(None, found.refused, NO_SERVER, warning=found.warning)
            await self._no_server(parent, placement)
            return
        if len(found.servers) > multiplex.MOST_SERVERS:
            text = f"More than {multiplex.MOST_SERVERS} servers match: too many for one job."
            self._end(parent, {"code": "abort", "description": text})
            return
        now = clock.now()
        made = multiplex.children(parent.job, found.servers, now)
        jobs = await self._unknown(parent, made, now)
        parent.set(
            state="active",
            started=now,
            updated=now,
            progress=0,
            workflow=multiplex.fanned_out(parent.job["workflow"], made, now),
        )
        parent.remove("until", "position", "queued", multiplex.TEMPLATE)
        note(parent, self._host, f"Starting one job on each of {len(made)} servers.", now)
        self._taken_up.discard(parent.id)
        event = str(parent.job["event"])
        parent.say(
            JobStarted(
                job_id=parent.id, event_id=event, server_id="", attempt=1, workflow=True, **parent.story()
            )
        )
        await self._fan_out(parent, jobs)
        faults.reach("conductor.fanned_out")
        self._announce(parent, jobs)
        if (reason := parent.job.get("abort_reason")) is not None:
            self.abort(parent, str(reason))

    def take_up(self, parent: ActiveJob) -> None:
        """An earlier primary left the parent as it is."""
        if multiplex.TEMPLATE in parent.job:
            self._taken_up.add(parent.id)

    async def _unknown(
        self, parent: ActiveJob, made: Sequence[multiplex.Child], now: float
    ) -> list[ActiveJob]:
        """The sub-jobs that are neither active nor archived: all, unless the book had lost this step."""
        archived = await self._archive.exists([child.job["id"] for child in made])
        handed_on = ("input", "workflowData")
        given: Json = {key: parent.details[key] for key in handed_on if key in parent.details}
        jobs = []
        for child in made:
            if child.job["id"] in self._book or child.job["id"] in archived:
                continue
            text = f"Job starting: #{child.job['id']} (source: workflow, parent: #{parent.id})"
            details = {**given, "activity": [meta_row(self._host, text, now)]}
            jobs.append(ActiveJob(child.job, details))
        return jobs

    async def _fan_out(self, parent: ActiveJob, jobs: Sequence[ActiveJob]) -> None:
        while parent.id in self._book:
            try:
                await self._book.fan_out(parent, jobs)
            except Unavailable as error:
                log.warning("sub-jobs wait for the book", job=parent.id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def _announce(self, parent: ActiveJob, jobs: Sequence[ActiveJob]) -> None:
        self._followers.changed(parent.id)
        for job in jobs:
            self._entered(job)

    # Sub-jobs that end

    def left(self, child: ActiveJob) -> None:
        """A job has left the book; if a parent waits for it, the parent counts it."""
        parent = self._book.get(parent_of(child.job))
        if parent is None or not multiplex.pending(parent.job.get("workflow") or {}):
            return
        self._count(parent, {**child.details, **child.job})

    def removed(self, child: ActiveJob, parent: ActiveJob) -> bool:
        """A queued sub-job is being removed: count it as it stands, before it leaves. Whether it was one of ours."""
        if child.id not in multiplex.pending(parent.job.get("workflow") or {}):
            return False
        self._count(parent, {**child.job, "ephemeral": False})
        return True

    def _count(self, parent: ActiveJob, record: Json) -> None:
        workflow = parent.job["workflow"]
        counted = multiplex.ended(workflow, record)
        if counted == workflow:
            return
        if record.get("ephemeral"):
            kept = {key: record[key] for key in ("data", "files") if record.get(key)}
            self._outputs.setdefault(parent.id, {})[str(record["id"])] = kept
        told: Json = {"workflow": counted, "updated": clock.now()}
        if not record.get("retried"):
            tags = [tag for tag in record.get("tags") or () if not tag.startswith("_")]
            told["tags"] = list(dict.fromkeys([*words(parent.job.get("tags")), *tags]))
            told.update({key: record[key] for key in ("table", "html") if record.get(key)})
        parent.update(told)
        self._book.mark(parent)
        self._followers.changed(parent.id)
        if not multiplex.pending(counted):
            self._spawn(self._sum(parent))

    async def _sum(self, parent: ActiveJob) -> None:
        if parent.id in self._summing or parent.id not in self._book:
            return
        self._summing.add(parent.id)
        try:
            self._end(parent, await self._result(parent))
        finally:
            self._summing.discard(parent.id)

    async def _result(self, parent: ActiveJob) -> Json:
        workflow = dict(parent.job["workflow"])
        if reason := parent.job.get("abort_reason"):
            workflow["aborted"] = reason
        counted = [str(stub["id"]) for stub in multiplex.stubs(workflow)]
        kept = self._outputs.pop(parent.id, {})
        archived = await self._archive.get_many([one for one in counted if one not in kept], verbose=True)
        data, files = multiplex.outputs(
            record for one in counted if (record := kept.get(one) or archived.get(one))
        )
        code, description = multiplex.summed(workflow)
        workflow.pop("aborted", None)
        result: Json = {"code": code, "description": description, "workflow": workflow}
        if data:
            result["data"] = data
        if files:
            result["files"] = files
        return result

    # Parents, each second

    def look_at(self, parent: ActiveJob, now: float) -> None:
        """Keep the parent alive, sum up what its sub-jobs do, and count those that ended unseen."""
        waiting = multiplex.pending(parent.job.get("workflow") or {})
        active = self._census.children(parent.id)
        running = [job.job for one in active if (job := self._book.get(one))]
        controller = parent.job["workflow"].get("state", {}).get(multiplex.CONTROLLER, {})
        done, most = int(controller.get("count") or 0), int(controller.get("max") or 0)
        partly = sum(float(job.get("progress") or 0) for job in running)
        parent.job.update(
            updated=now,
            progress=round(min((done + partly) / most, 1.0), 4) if most else 0,
            **{
                kind: _sample(parent.job.get(kind), multiplex.usage(running, kind)) for kind in ("cpu", "mem")
            },
        )
        self._followers.changed(parent.id)
        unseen = [one for one in waiting if one not in active]
        if (unseen or not waiting) and parent.id not in self._counting:
            self._counting.add(parent.id)
            self._spawn(self._count_unseen(parent))

    async def _count_unseen(self, parent: ActiveJob) -> None:
        """After a take-over, or when a sub-job ended between two steps of ours: the archive tells."""
        try:
            while unseen := self._unseen(parent):
                records = await self._archive.get_many(unseen, verbose=False)
                for one in unseen:
                    if one in self._book or one not in multiplex.pending(parent.job["workflow"]):
                        continue
                    # An ephemeral sub-job leaves a record only when it failed or had files.
                    gone = {
                        "id": one,
                        "code": 0,
                        "description": "",
                        "completed": clock.now(),
                        "ephemeral": True,
                    }
                    if one not in records and not parent.job.get("ephemeral"):
                        gone.update(code="abort", description="The job has left no record.", ephemeral=False)
                    self._count(parent, records.get(one) or gone)
            if not multiplex.pending(parent.job["workflow"]):
                await self._sum(parent)
        finally:
            self._counting.discard(parent.id)

    def _unseen(self, parent: ActiveJob) -> list[str]:
        if parent.id not in self._book:
            return []
        return [one for one in multiplex.pending(parent.job["workflow"]) if one not in self._book]

    def abort(self, parent: ActiveJob, reason: str) -> None:
        """Abort every sub-job; the parent ends with the last of them."""
        for one in list(self._census.children(parent.id)):
            if one in self._book:
                self._abort(one, reason)
        self._followers.changed(parent.id)


def _sample(before: Any, current: float) -> Json:
    """`{min, max, total, count, current}` with one more value."""
    if not isinstance(before, dict) or not before.get("count"):
        return {"min": current, "max": current, "total": current, "count": 1, "current": current}
    return {
        "min": min(before["min"], current),
        "max": max(before["max"], current),
        "total": before["total"] + current,
        "count": before["count"] + 1,
        "current": current,
    }
