"""Small changes that people make to jobs, running or ended (contract api/jobs.yaml)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conductor.announcer import Signals
from conductor.errors import Refusal
from conductor.jobs.compose import meta_row
from conductor.jobs.delays import STATES as DELAYED
from conductor.jobs.followers import Followers
from conductor.jobs.notes import MAX_ROWS, note
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.job_archive import JobArchive
from conductor.signals import Activity, Actor
from shared import clock
from shared.protocol.updates import DETAIL_KEYS

PROTECTED = frozenset(
    {"id", "state", "server", "remote", "complete", "final", "activity", "retry_prev", "multiplex", "outcome"}
)
"""What holds a running job together; a change of it would break its run."""
_DETAILS = DETAIL_KEYS | {"input", "output", "timelines"}

_OBJECTS = frozenset(("limits", "actions", "files"))
_WORDS = frozenset(("tags", "targets", "tickets", "groups"))
_TEXTS = frozenset(("label", "description", "notes", "category", "plugin", "event", "source"))

Json = dict[str, Any]


class Upkeep:
    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        followers: Followers,
        signals: Signals,
        host: str,
        *,
        skipped: Callable[[str], None],
    ) -> None:
        """`skipped` looks at a job whose delay is over."""
        self._book = book
        self._archive = archive
        self._followers = followers
        self._signals = signals
        self._host = host
        self._skipped = skipped

    async def skip_delay(self, job: ActiveJob, actor: Actor) -> None:
        """The job's delay is over now. Raises Refusal (`job`) when it has none."""
        if not job.job.get("until") or job.state not in DELAYED:
            raise Refusal("job", f"Job has no pending delay: {job.id}")
        now = clock.now()
        job.set(until=now)
        note(job, self._host, f"Delay is skipped by {who(actor)}", now)
        await self._book.save(job)
        self._skipped(job.id)
        self._followers.changed(job.id)

    async def toggle_notice(self, job: ActiveJob, email: str, actor: Actor) -> bool:
        """Add or remove a hidden e-mail to this address when the job completes; whether there is one now."""
        entries = [one for one in job.job.get("actions") or () if isinstance(one, dict)]
        kept = [one for one in entries if not _is_notice(one, email)]
        enabled = len(kept) == len(entries)
        if enabled:
            notice = {"condition": "complete", "type": "email", "email": email, "users": []}
            kept.append({**notice, "enabled": True, "hidden": True})
        job.set(actions=kept)
        text = f"Completion e-mail is turned {'on' if enabled else 'off'} for {who(actor)}"
        note(job, self._host, text, clock.now())
        await self._book.save(job)
        self._followers.changed(job.id)
        return enabled

    async def update_active(
        self, job: ActiveJob, changes: Mapping[str, Any], actor: Actor, correlation_id: str = ""
    ) -> None:
        """Lay `changes` over a running job. Raises Refusal (`job`) for what holds its run together."""
        if wrong := sorted(PROTECTED.intersection(changes)):
            raise Refusal("job", f"Cannot be changed on an active job: {', '.join(wrong)}")
        if unfit := sorted(key for key, value in changes.items() if not _fits(key, value)):
            raise Refusal("job", f"Not what an active job works with: {', '.join(unfit)}")
        details = {key: changes[key] for key in _DETAILS.intersection(changes)}
        job.update({key: value for key, value in changes.items() if key not in details})
        if details:
            job.set_details(**details)
        note(job, self._host, f"Job is updated by {who(actor)}: {', '.join(sorted(changes))}", clock.now())
        told = _activity("job_update", job.job, {"params": dict(changes)}, actor, correlation_id)
        job.say(told)
        await self._book.save(job)
        self._followers.changed(job.id)

    async def update_stored(
        self, job_id: str, changes: Mapping[str, Any], actor: Actor, correlation_id: str = ""
    ) -> None:
        """Lay `changes` over an ended job's record. Raises Refusal (`job`) when there is none."""
        given = {key: value for key, value in changes.items() if key not in ("id", "final", "state")}
        told = ("job_update", {"params": dict(changes)}, actor, correlation_id)
        await self._replace(job_id, lambda record: {**record, **given}, *told)

    async def manage(
        self, job_id: str, key: str, words: Sequence[str], actor: Actor, correlation_id: str = ""
    ) -> None:
        """Replace an ended job's `tags` or `tickets`, and say so in its activity log."""
        now = clock.now()
        listed = list(dict.fromkeys(words))
        shown = [word for word in listed if not word.startswith("_")]
        row = meta_row(self._host, f"Job {key} are changed to: {', '.join(shown) or '(none)'}", now)
        row["username"] = actor.id

        def changed(record: Json) -> Json:
            rows = [*(record.get("activity") or ()), row]
            if len(rows) > MAX_ROWS:
                rows = rows[:10] + rows[10 - MAX_ROWS :]
            return {**record, key: listed, "activity": rows}

        await self._replace(job_id, changed, f"job_update_{key}", {key: listed}, actor, correlation_id)

    async def _replace(
        self,
        job_id: str,
        change: Callable[[Json], Json],
        action: str,
        payload: Mapping[str, Any],
        actor: Actor,
        correlation_id: str,
    ) -> None:
        if job_id in self._book:
            raise Refusal("job", f"Job is still active: {job_id}")
        record = await self._archive.get(job_id)
        if record is None:
            raise Refusal("job", f"Job not found: {job_id}")
        told = _activity(action, record, payload, actor, correlation_id)
        if not await self._archive.replace(change(record), self._signals.events(told)):
            raise Refusal("job", f"Job not found: {job_id}")
        self._signals.publish_logged(told)


def _activity(
    action: str, job: Mapping[str, Any], payload: Mapping[str, Any], actor: Actor, correlation_id: str
) -> Activity:
    job_id, groups = str(job["id"]), job.get("groups")
    return Activity(
        action=action,
        description=job_id,
        payload={"job": job_id, **payload},
        resource=("job", job_id),
        category=str(job.get("category") or ""),
        groups=tuple(map(str, groups)) if isinstance(groups, list) else (),
        actor=actor,
        correlation_id=correlation_id,
    )


def _fits(key: str, value: Any) -> bool:
    """Whether the engine can go on with this value of a property."""
    if key in _OBJECTS:
        return isinstance(value, list) and all(isinstance(one, dict) for one in value)
    if key in _WORDS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if key in _TEXTS:
        return isinstance(value, str)
    return key != "params" or isinstance(value, dict)


def who(actor: Actor) -> str:
    """The acting user or API key, for people."""
    kinds = {"api_key": "API Key", "user": "user"}
    return f"{kinds.get(actor.kind, actor.kind)}: {actor.id}" if actor.id else actor.kind


def _is_notice(action: Mapping[str, Any], email: str) -> bool:
    return bool(action.get("hidden")) and action.get("type") == "email" and action.get("email") == email
