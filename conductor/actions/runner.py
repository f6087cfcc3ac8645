"""Carries out what a condition fires, and books each action as begun and as done (durability.md, step 8).

An action that was begun and not done when its conductor died runs again in the next term, with the same key
and a visible mark; one that was done does not. So each action happens at least once, and those whose key is
known at the other end (launched jobs, web hooks that look at it) exactly once.

Each action has a time of its own and a condition's actions have one together, suspension excepted; a hung
one holds up its own job alone, and that no longer than this.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog

from conductor.actions import alert_data, event_changes, job_data, limit_notices, selection
from conductor.actions.attempt import UNBOUND, Once, attempted
from conductor.actions.catalogue import LOCAL
from conductor.actions.conditions import INSTANT, allowed
from conductor.actions.limit_notices import Notified
from conductor.actions.occasion import Alert, Means, Occasion
from conductor.actions.plugin_process import PluginProcesses
from conductor.actions.ports import Jobs, Ports
from conductor.actions.result import RECORD, Action, begun, done, title_of, type_of
from conductor.actions.resumption import Resuming, Suspension
from conductor.actions.surroundings import Surroundings
from conductor.actions.suspensions import Suspensions
from conductor.announcer import Signals
from conductor.audit import causes
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import ActionRun, Actor, JobConditionMet
from shared import clock, faults, ids

_SAVE_AGAIN_SECONDS = 1.0
_TRIAL = "This is a test of a notification channel."

log = structlog.get_logger(__name__)


class Actions:
    """The actions of one term. Fills the jobs room's port `conductor.jobs.actions.Actions`."""

    def __init__(
        self,
        book: JobBook,
        around: Surroundings,
        ports: Ports,
        processes: PluginProcesses,
        jobs: Jobs,
        signals: Signals,
    ) -> None:
        self._book = book
        self._around = around
        self._settings = around.settings
        self._signals = signals
        self._under_way: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._means = Means(around, ports, jobs, Suspensions(), processes, self._saved)
        self._resuming = Resuming(self._means, signals)
        self.suspension = Suspension(book, self._means)
        """For a jobs room that resumes jobs by itself."""

    # For jobs

    def due(self, job: ActiveJob, conditions: Sequence[str]) -> bool:
        """Whether something is to run for these conditions, so that they must be in the book before."""
        if not job.job.get("actions"):
            return False
        return bool(self._chosen(job, allowed(job.job, conditions)) or self._running_of(job.id))

    async def run_for_job(self, job: ActiveJob, conditions: Sequence[str]) -> None:
        """Run what these conditions fire, side by side, and return when all has ended.

        At a job's end this waits for its instant actions too. Results are in `job.job["actions"]` and in the
        book. Raises Deposed and nothing else.
        """
        fired = allowed(job.job, conditions)
        self._announce(job, fired)
        if not job.job.get("actions"):
            return
        chosen = self._chosen(job, fired)
        if chosen:
            data = Once(partial(job_data.job_data, self._around, job))
            deadline = clock.monotonic() + self._settings.action_phase_timeout
            async with _together() as group:
                for index in chosen:
                    run = self._of_job(job, index, data, deadline)
                    self._under_way[job.id, index] = group.create_task(run)
        if INSTANT not in fired and (others := self._running_of(job.id)):
            await asyncio.wait(others)

    def release(self, job: ActiveJob) -> None:
        """The job is aborted: nobody needs to let it go on any more."""
        self._means.suspensions.release(job.id)

    async def resume(
        self, job_id: str, by: Actor, params: Mapping[str, Any] | None = None, *, redirect: str = ""
    ) -> None:
        """Let a suspended job go on (contract jobs.md §13). Raises Refusal (`job`, `access`, `api`)."""
        job = self._book.get(job_id)
        if job is None:
            raise Refusal("job", f"No active job found with ID: {job_id}")
        await self._resuming.resume(job, by, params or {}, redirect)

    async def change_event(self, job: ActiveJob) -> None:
        """What a job does to its event and its alert when it is stored, its deletion excepted."""
        if job.job.get("update_event") and not job.job.get("delete_event"):
            await event_changes.update(job, self._means)
        if job.job.get("clear_alert") and self._means.ports.alerts:
            await event_changes.clear_alert(job, self._means.ports.alerts)

    async def delete_event(self, job: ActiveJob) -> None:
        """The event's deletion, once its job is not active any more."""
        if job.job.get("delete_event"):
            await event_changes.delete(job, self._means)

    async def run_in_flow(
        self,
        job: ActiveJob,
        action: Mapping[str, Any],
        *,
        condition: str,
        output: Mapping[str, Any],
        key: str,
    ) -> dict[str, Any]:
        """Carry out a workflow's action node once for each `key`; answers the fields of its execution record.

        It is kept in the workflow job's actions. `output` is what came in over the wire: `input` and `parent`.
        """
        entry = next(
            (one for one in selection.entries(job.job.get("actions")) if one.get("flow") == key), None
        )
        if entry is None:
            given = {name: value for name, value in action.items() if name not in RECORD}
            entry = {**given, "enabled": True, "condition": condition, "source": "workflow", "flow": key}
            job.set(actions=[*selection.entries(job.job.get("actions")), entry])
        if "code" not in entry:
            entry["overrides"] = dict(output)
            data = Once(partial(job_data.job_data, self._around, job))
            deadline = clock.monotonic() + self._settings.action_phase_timeout
            index = next(place for place, one in enumerate(job.job["actions"]) if one is entry)
            before = (output.get("parent") or {}).get("job")
            cause = causes.ended(str(before)) if before else ""
            await self._of_job(job, index, data, deadline, key=key, cause=cause)
        return {name: entry[name] for name in RECORD if name in entry}

    async def limit_fired(self, job: ActiveJob, limit: Mapping[str, Any], message: str) -> Notified:
        """Tell whom a runtime limit names, side by side; never raises for their trouble."""
        return Notified.of(await self.run_for_limit(job, {**limit, "msg": message}))

    async def run_for_limit(self, job: ActiveJob, limit: Mapping[str, Any]) -> dict[str, Any]:
        """Tell whom a runtime limit names (mail, web hook, snapshot), with the text `job_limited`.

        Answers the limit's result fields: code, description, details, elapsed_ms.
        """
        data = Once(partial(job_data.job_data, self._around, job))
        parts = limit_notices.parts_of(limit)
        occasions = [
            self._occasion(job, action, f"limit-{limit.get('date')}-{number}", "limit", data)
            for number, action in enumerate(parts)
        ]
        return await limit_notices.tell(occasions, self._means, str(limit.get("msg") or ""))

    # For alerts

    async def run_for_alert(
        self,
        invocation: dict[str, Any],
        definition: Mapping[str, Any],
        server: Mapping[str, Any],
        condition: str,
        *,
        again: bool = False,
        stage: str = "",
    ) -> list[dict[str, Any]]:
        """Run what an alert's condition fires; answers the executed actions, for the invocation's `actions`.

        `again`: it may have been done before, by a conductor that has ended since. `stage` is empty,
        `escalation-N`, or `repeat-N`, for which only what tells people runs.

        New tickets are added to `invocation["tickets"]`; whoever stores the invocation stores them.
        """
        groups = server.get("groups") or invocation.get("groups") or ()
        found = (self._around.find("groups", group) for group in groups)
        chosen = selection.for_alert(
            definition, [one for one in found if one], self._settings.alert_universal_actions, condition
        )
        if stage.startswith("repeat-"):
            chosen = [one for one in chosen if type_of(one) in selection.TELLING_TYPES]
        if not chosen:
            return []
        if stage:
            chosen = [{**one, "stage": stage} for one in chosen]
        key = "-".join(part for part in (str(invocation.get("id")), condition, stage) if part)
        alert = Alert(invocation, definition, server)
        sample = await self._sample(server)
        make = Once(
            partial(alert_data.alert_data, self._around, invocation, definition, server, sample, condition)
        )
        staged = {"stage": stage} if stage else {}
        deadline = clock.monotonic() + self._settings.action_phase_timeout
        async with _together() as group:
            for number, action in enumerate(chosen):
                occasion = Occasion(
                    action, condition, f"{key}-{number}",
                    lambda action: {**make(), "action": action, **staged}, alert=alert, again=again,
                )  # fmt: skip
                group.create_task(self._of_alert(occasion, deadline))
        return chosen

    async def try_channel(self, channel_id: str) -> Action:
        """Notify a channel of an alert that never was, and answer the executed action.

        Nothing else hears of it: neither universal actions nor stored alerts. It counts towards the day's cap.
        """
        moment = clock.now()
        invocation = {"id": ids.short_id("test"), "alert": "test", "date": int(moment), "message": _TRIAL}
        definition = {"id": "test", "title": "Test of a channel"}
        make = Once(partial(alert_data.alert_data, self._around, invocation, definition, {}, {}, "alert_new"))
        action: Action = {"type": "channel", "channel_id": channel_id, "condition": "alert_new"}
        occasion = Occasion(
            action, "alert_new", str(invocation["id"]),
            lambda action: {**make(), "text": _TRIAL, "action": action},
            alert=Alert(invocation, definition, {}),
        )  # fmt: skip
        began = clock.monotonic()
        result = await attempted(occasion, self._means, began + self._settings.action_phase_timeout)
        done(action, result, _milliseconds(began))
        return action

    async def _sample(self, server: Mapping[str, Any]) -> Mapping[str, Any]:
        """The server's latest sample; what was given is taken for it where it has measurements itself."""
        samples, server_id = self._means.ports.samples, server.get("id")
        if "data" in server or samples is None or not isinstance(server_id, str):
            return server
        try:
            return await samples.latest(server_id) or server
        except Unavailable:
            return server

    async def _of_alert(self, occasion: Occasion, deadline: float) -> None:
        began = clock.monotonic()
        begun(occasion.action, clock.now())
        result = await attempted(occasion, self._means, deadline)
        done(occasion.action, result, _milliseconds(began))
        assert occasion.alert is not None  # noqa: S101
        invocation, server = occasion.alert.invocation, occasion.alert.server
        subject = {"groups": list(server.get("groups") or ()), "server": str(server.get("id") or "")}
        # Whoever owes the action writes its event with the results.
        told = self._ran(occasion, alert_id=str(invocation.get("id") or ""), subject=subject)
        self._signals.publish_logged(told)

    # One action

    async def _of_job(
        self, job: ActiveJob, index: int, data: Once, deadline: float, *, key: str = "", cause: str = ""
    ) -> None:
        action: Action = job.job["actions"][index]
        type_ = type_of(action)
        repeated = bool(action.get("active"))
        began = clock.monotonic()
        try:
            begun(action, clock.now())
            again = " again, after a take-over" if repeated else ""
            self._means.jobs.note(job, f"Executing {title_of(action)} action{again}.")
            if type_ not in LOCAL:
                await self._saved_changes(job)
                faults.reach("conductor.action_begun")
            occasion = self._occasion(job, action, str(index), str(action.get("condition")), data)
            occasion.key = key or occasion.key
            occasion.again = repeated
            result = await attempted(occasion, self._means, None if type_ in UNBOUND else deadline)
            if type_ not in LOCAL:
                faults.reach("conductor.action_ran")
            done(action, result, _milliseconds(began))
            action.pop("overrides", None)
            cause = cause or causes.cause_of_action(job.id, job.job, job.attempt)
            job.say(self._ran(occasion, job_id=job.id, cause=cause, subject=_subject(job)))
            await self._saved_changes(job)
            faults.reach("conductor.action_done")
        finally:
            self._under_way.pop((job.id, index), None)
        self._means.jobs.changed(job.id)

    def _occasion(self, job: ActiveJob, action: Action, name: str, condition: str, data: Once) -> Occasion:
        return Occasion(
            action, condition, f"{job.id}-{name}",
            lambda action: job_data.with_action(self._around, data(), action, condition), job=job,
        )  # fmt: skip

    # The book, and who is told

    def _chosen(self, job: ActiveJob, conditions: Sequence[str]) -> list[int]:
        actions = job.job["actions"]
        chosen = selection.chosen(actions, conditions)
        if "complete" in conditions:  # what was pushed and has not ended, also in an earlier term
            chosen += [index for index in selection.instant(actions) if index not in chosen]
        return [index for index in chosen if (job.id, index) not in self._under_way]

    def _running_of(self, job_id: str) -> list["asyncio.Task[None]"]:
        current = asyncio.current_task()
        return [task for (own, _), task in self._under_way.items() if own == job_id and task is not current]

    async def _saved_changes(self, job: ActiveJob) -> None:
        job.set(actions=job.job["actions"])
        await self._saved(job)

    async def _saved(self, job: ActiveJob) -> None:
        """Return when the book has the job's changes, however long its store is away. Raises Deposed."""
        while True:
            try:
                await self._book.save(job)
            except Unavailable as error:
                log.warning("an action waits for the book", job=job.id, error=str(error))
                await asyncio.sleep(_SAVE_AGAIN_SECONDS)
            else:
                return

    def _announce(self, job: ActiveJob, conditions: Sequence[str]) -> None:
        for condition in conditions:
            self._signals.publish(
                JobConditionMet(
                    job_id=job.id,
                    correlation_id=str(job.job.get("correlation_id") or ""),
                    event_id=str(job.job.get("event") or ""),
                    condition=condition,
                    category_id=str(job.job.get("category") or ""),
                    plugin_id=str(job.job.get("plugin") or ""),
                    server_id=job.server,
                    groups=tuple(job.job.get("groups") or ()),
                    hook_data=partial(self._hook_data, job, condition),
                )
            )

    def _hook_data(self, job: ActiveJob, condition: str) -> dict[str, Any]:
        data = job_data.job_data(self._around, job)
        return job_data.with_action(self._around, data, {"condition": condition}, condition)

    @staticmethod
    def _ran(
        occasion: Occasion,
        *,
        job_id: str = "",
        alert_id: str = "",
        cause: str = "",
        subject: Mapping[str, Any],
    ) -> ActionRun:
        action = occasion.action
        return ActionRun(
            type=type_of(action),
            condition=occasion.condition,
            code=action["code"],
            description=action["description"],
            elapsed_ms=action["elapsed_ms"],
            key=occasion.key,
            groups=occasion.job.story()["groups"] if occasion.job else (),
            job_id=job_id,
            alert_id=alert_id,
            correlation_id=occasion.story,
            causation_id=cause,
            action=action,
            subject=subject,
        )


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose only own failure is Deposed, raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        if failures.subgroup(Deposed):
            raise Deposed("this conductor is no longer primary") from failures
        raise


def _subject(job: ActiveJob) -> dict[str, Any]:
    """What decides who may hear of the job's actions."""
    return {key: job.job[key] for key in ("event", "type", "category", "targets") if key in job.job}


def _milliseconds(began: float) -> int:
    return round((clock.monotonic() - began) * 1000)
