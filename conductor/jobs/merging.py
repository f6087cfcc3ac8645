"""What a satellite says of its job, into the job (contract jobs.md §11).

A satellite may speak of the jobs launched on it and of no others; what it says passes the allow-list, gets the
shape and the bounds that readers rely on, and the conductor's clock where its own is off.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from conductor.jobs import content, limits, notes, timelines
from conductor.jobs.actions import Actions
from conductor.jobs.bounds import bounded
from conductor.jobs.finisher import Finisher
from conductor.jobs.followers import Followers
from conductor.jobs.outcome import split
from conductor.jobs.output_files import with_own_files
from conductor.jobs.pushes import pushed, pushes_instant
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from shared import clock
from shared.protocol.messages import MetaRow
from shared.protocol.updates import SATELLITE_KEYS, allowed

Spawn = Callable[[Coroutine[Any, Any, object]], None]

_STATES_FROM_AGENTS = frozenset({"finishing"})
_MOST_TEXT = 4096
"""Characters of a meta row."""
_CLOCKS_AGREE_SECONDS = 60.0
"""A satellite's clock may be this far ahead of ours."""


class Merging:
    def __init__(
        self,
        book: JobBook,
        finisher: Finisher,
        followers: Followers,
        actions: Actions,
        *,
        host: str,
        base_url: str,
        spawn: Spawn,
    ) -> None:
        self._book = book
        self._finisher = finisher
        self._followers = followers
        self._actions = actions
        self._host = host
        self._base_url = base_url
        self._spawn = spawn

    def own(self, server_id: str, job_id: str, attempt: int | None = None) -> ActiveJob | None:
        """The job if it was launched on that server, in that attempt, and is not being settled."""
        job = self._book.get(job_id)
        if job is None or job.server != server_id or self._finisher.is_ending(job_id):
            return None
        return job if attempt is None or attempt == job.attempt else None

    def merge(
        self, job: ActiveJob, server_id: str, update: Mapping[str, Any], meta: Sequence[MetaRow]
    ) -> None:
        """An update of a running job; it never ends by one."""
        kept = self._checked(job, allowed(update, SATELLITE_KEYS))
        state = kept.get("state")
        if not isinstance(state, str) or state not in _STATES_FROM_AGENTS:
            kept.pop("state", None)
        for key in ("code", "complete"):
            kept.pop(key, None)  # a job ends by its result alone
        self.push(job, kept)
        summary, details = split(kept)
        details = with_own_files(details, job.id)
        now = clock.now()
        job.update({**summary, "updated": now, "remote": True})
        if details:
            job.set_details(**details)
        if "procs" in summary:
            self._sample(job, summary, now)
        self.add_rows(job, server_id, meta)
        self._book.mark(job)
        self._followers.changed(job.id)

    def result(
        self, job: ActiveJob, server_id: str, report: Mapping[str, Any], meta: Sequence[MetaRow]
    ) -> dict[str, Any]:
        """The properties of a job's end; what comes beside them is merged."""
        result = self._checked(job, self.repeated(report))
        self.add_rows(job, server_id, meta)
        self.push(job, result)
        moved = timelines.nothing_moved()
        return {**result, **{key: job.job.get(key) or moved[key] for key in moved}}

    @staticmethod
    def repeated(report: Mapping[str, Any]) -> dict[str, Any]:
        """The allowed properties of a result that has come before, or late."""
        result = allowed(report, SATELLITE_KEYS)
        result.pop("state", None)
        return result

    def add_rows(self, job: ActiveJob, server_id: str, meta: Sequence[MetaRow]) -> None:
        """Rows of the job's meta log, at times that can be: after its launch, and not in the future."""
        if not meta:
            return
        now = clock.now()
        began = min(limits.number(job.job.get("started")), now)
        rows = []
        for row in meta[-notes.MAX_ROWS :]:
            epoch = row.epoch if row.epoch <= now + _CLOCKS_AGREE_SECONDS else now
            if epoch != row.epoch:
                self._note_once(job, f"The satellite's clock is {row.epoch - now:.0f} seconds ahead of ours.")
            elif row.epoch < began - _CLOCKS_AGREE_SECONDS:
                epoch = began
                self._note_once(job, f"The satellite's clock is {began - row.epoch:.0f} seconds behind ours.")
            rows.append({"id": row.id[:64], "epoch": epoch, "msg": row.msg[:_MOST_TEXT], "server": server_id})
        notes.add(job, *rows)

    def push(self, job: ActiveJob, update: dict[str, Any]) -> None:
        """Append pushed arrays and start instant actions; make HTML of user content (jobs.md §11, steps 6, 7)."""
        push = update.pop("push", None)
        if isinstance(push, dict) and (changes := pushed(job.job, push)):
            job.update(changes)
            if pushes_instant(changes):
                self._spawn(self._actions.run_for_job(job, ("instant",)))
        content.render(update, job.job, self._base_url)

    def _checked(self, job: ActiveJob, report: dict[str, Any]) -> dict[str, Any]:
        kept, faults = bounded(report)
        for fault in faults:
            self._note_once(job, fault)
        return kept

    @staticmethod
    def _sample(job: ActiveJob, summary: Mapping[str, Any], now: float) -> None:
        known = job.details.get("timelines")
        timeline, sums = timelines.sampled(known, job.job, summary["procs"], summary.get("conns"), now)
        job.details["timelines"] = timeline  # in memory only
        if sums:
            job.update(sums)

    def _note_once(self, job: ActiveJob, text: str) -> None:
        """A fault that would be told with each update is told once, by its first words."""
        head = text[:_SAME_TEXT]
        rows = job.details.get("activity") or ()
        if not any(str(row.get("msg", "")).startswith(head) for row in rows):
            notes.note(job, self._host, text, clock.now())


_SAME_TEXT = 24
