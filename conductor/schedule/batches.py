"""Launches that a scheduler plugin decides about: one process for each plugin and look at the schedule."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from conductor.announcer import Signals
from conductor.definitions.timezones import is_known_zone
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.schedule.firing import Firer, Work
from conductor.schedule.index import Slot
from conductor.schedule.launches import Doc, Launches, ScheduledLaunch
from conductor.schedule.plugin_process import Run
from conductor.schedule.plugins import Question, TriggerPlugins, Verdict, verdicts
from conductor.signals import Notice

_MOST_DETAILS = 20_000
"""Characters of a failed plugin's output that are told."""

log = structlog.get_logger(__name__)


class PluginFiles(Protocol):
    """Files that a plugin gives to a job (contract scheduler.md §11, key `files`)."""

    async def of_plugin(
        self, plugin_id: str, files: Sequence[Mapping[str, Any]], cwd: str
    ) -> list[dict[str, Any]]:
        """Store copies, answer their File records. Raises Refusal."""
        ...


class _Candidate(NamedTuple):
    slot: Slot
    launch: ScheduledLaunch
    timezone: str


class Batches:
    def __init__(
        self,
        plugins: TriggerPlugins,
        launches: Launches,
        firer: Firer,
        signals: Signals,
        *,
        zone: str,
        files: PluginFiles | None = None,
    ) -> None:
        self._plugins = plugins
        self._launches = launches
        self._firer = firer
        self._signals = signals
        self._zone = zone
        self._files = files

    async def decide(self, work: Sequence[Work]) -> list[str]:
        """Ask the plugins of these events, in parallel, and launch what they allow; answers the marks."""
        by_plugin: dict[str, list[_Candidate]] = {}
        for one in work:
            plugin = one.slot.timetable.plugin
            if plugin is not None:
                by_plugin.setdefault(plugin.plugin_id, []).extend(self._candidates(one))
        async with asyncio.TaskGroup() as group:
            for plugin_id, candidates in by_plugin.items():
                group.create_task(self._batch(plugin_id, candidates))
        return [one.launch.firing.mark for some in by_plugin.values() for one in some]

    def _candidates(self, work: Work) -> list[_Candidate]:
        found = []
        for due in work.due:
            for launch, made in zip(due.launches, self._firer.made(work.slot, due), strict=True):
                own = _zone_of(work.slot.timetable.plugin_doc)
                timezone = own or str(launch.entry.doc.get("timezone") or self._zone)
                found.append(_Candidate(work.slot, made, timezone))
        return found

    async def _batch(self, plugin_id: str, candidates: list[_Candidate]) -> None:
        try:
            await self._decided(plugin_id, candidates)
        except (Deposed, Unavailable):
            raise
        except Exception:
            log.exception("the launches of a scheduler plugin failed", plugin=plugin_id)

    async def _decided(self, plugin_id: str, candidates: list[_Candidate]) -> None:
        plugin = self._plugins.get(plugin_id)
        if plugin is None:
            for one in candidates:
                self._firer.refused(one.slot, one.launch, f"Scheduler Plugin not found: {plugin_id}")
            return
        if not plugin.get("enabled"):
            return
        questions = [
            Question(
                one.slot.timetable.plugin_doc or {}, one.timezone, int(one.launch.now), _prepared(one.launch)
            )
            for one in candidates
        ]
        run = await self._plugins.ask(plugin, questions, self._launches.active())
        if run.problem:
            self._failed(plugin, run)
        for one, verdict in zip(candidates, verdicts(run, len(candidates)), strict=True):
            if verdict.launch:
                await self._launch(plugin, one, verdict)

    async def _launch(self, plugin: Doc, one: _Candidate, verdict: Verdict) -> None:
        try:
            files = await self._stored(plugin, verdict)
        except Refusal as refusal:
            self._firer.refused(
                one.slot, one.launch, f"Files of plugin {plugin['id']}: {refusal.description}"
            )
            return
        await self._firer.launch(one.slot, decided(one.launch, verdict, files))

    async def _stored(self, plugin: Doc, verdict: Verdict) -> list[dict[str, Any]]:
        if not verdict.files:
            return []
        if self._files is None:
            raise Refusal("file", "Input files are not available.")
        return await self._files.of_plugin(str(plugin["id"]), verdict.files, str(plugin.get("cwd") or ""))

    def _failed(self, plugin: Doc, run: Run) -> None:
        log.error("a scheduler plugin failed", plugin=plugin["id"], reason=run.problem)
        output = "\n".join(f"```\n{text.strip()}\n```" for text in (run.stdout, run.stderr) if text.strip())
        title = plugin.get("title") or plugin["id"]
        self._signals.publish(
            Notice(
                level="warning",
                description=f"Scheduler Plugin failed: {title}: {run.problem}",
                details=output[:_MOST_DETAILS],
            )
        )


def decided(launch: ScheduledLaunch, verdict: Verdict, files: Sequence[Mapping[str, Any]]) -> ScheduledLaunch:
    """The launch as the plugin wants it. Invisibility is the plugin's to say, whatever `quiet` says. Pure."""
    event = dict(launch.event)
    event["invisible"] = verdict.invisible
    if verdict.data or files:
        given = event.get("input") or {}
        event["input"] = {
            "data": {**(given.get("data") or {}), **verdict.data},
            "files": [*(given.get("files") or ()), *files],
        }
    until = launch.now + verdict.delay if verdict.delay else 0
    return msgspec.structs.replace(launch, event=event, until=until)


def _prepared(launch: ScheduledLaunch) -> dict[str, Any]:
    """The job as far as it is made, as plugins have always been shown it."""
    return {
        **launch.event,
        "now": launch.now,
        "source": launch.source,
        "splugin": launch.splugin,
        **({"stype": launch.stype} if launch.stype else {}),
    }


def _zone_of(trigger: Doc | None) -> str:
    """The plugin trigger's own time zone; empty where it has none, or one that nobody knows."""
    name = (trigger or {}).get("timezone")
    return name if isinstance(name, str) and is_known_zone(name) else ""
