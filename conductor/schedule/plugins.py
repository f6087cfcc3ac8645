"""Scheduler plugins: asked about due launches, they allow, delay or decline each (contract scheduler.md §11)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from conductor.definitions.json_values import is_number, truthy
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.schedule.launches import Doc
from conductor.schedule.plugin_process import Run, RunAs, run_plugin
from conductor.schedule.triggers.base import floored
from conductor.schedule.triggers.zones import zone
from conductor.settings import Settings

TYPE = "scheduler"

log = structlog.get_logger(__name__)


class Secrets(Protocol):
    """What this room needs of the secrets."""

    def of_plugin(self, plugin_id: str) -> Mapping[str, str]: ...


class Question(NamedTuple):
    """One due launch, as a plugin is asked about it."""

    trigger: Doc
    """The plugin trigger of the event."""
    timezone: str
    now: int
    job: Doc
    """The launch as far as it is made; its `id` is the event's."""


class Verdict(NamedTuple):
    """What a plugin says of one launch."""

    launch: bool
    delay: float = 0
    data: Mapping[str, Any] = {}
    files: tuple[Mapping[str, Any], ...] = ()
    """{path, filename?, delete?} of files on the conductor."""
    invisible: bool = False


DECLINED = Verdict(False)


class TriggerPlugins:
    """Runs scheduler plugins. The wiring gives secrets where there are some."""

    def __init__(
        self, definitions: Definitions, settings: Settings, release: str, secrets: Secrets | None = None
    ) -> None:
        self._definitions = definitions
        self._secrets = secrets
        self._release = release
        host = settings.local_api_hostname or "localhost"
        self._base_url = f"http://{host}:{settings.WebServer.port}"
        self._default = settings.default_plugin_credentials.get(TYPE)

    def get(self, plugin_id: str) -> Doc | None:
        """The plugin of that ID, if it is a scheduler plugin."""
        plugin = self._definitions.get("plugins", plugin_id)
        return plugin if plugin is not None and plugin.get("type") == TYPE else None

    async def ask(self, plugin: Doc, questions: Sequence[Question], active_jobs: Sequence[Doc]) -> Run:
        """One process for all questions. Its failures are in the answer's `problem`."""
        secrets = dict(self._secrets.of_plugin(str(plugin["id"]))) if self._secrets else {}
        request = {
            "xy": 1,
            "type": "trigger",
            "items": [item(question) for question in questions],
            "secrets": secrets,
            "base_url": self._base_url,
            "active_jobs": active_jobs,
        }
        environment = {**secrets, "XYOPS": self._release, "XYOPS_BASE_URL": self._base_url}
        run_as = RunAs(
            plugin.get("uid") or (self._default.uid if self._default else ""),
            plugin.get("gid") or (self._default.gid if self._default else ""),
        )
        return await run_plugin(plugin, request, environment=environment, run_as=run_as)

    async def tried(self, plugin_id: str, params: Doc, timezone: str, epoch: float) -> Run:
        """A run with one invented launch, of which nothing comes. Raises Refusal (`api`)."""
        plugin = self.get(plugin_id)
        if plugin is None:
            raise Refusal("api", f"Scheduler Plugin not found: {plugin_id}")
        job = {"id": "1234567890", "label": "Test"}
        trigger = {"plugin_id": plugin_id, "params": params}
        return await self.ask(plugin, [Question(trigger, timezone, floored(epoch), job)], [])


def item(question: Question) -> dict[str, Any]:
    """What a plugin is told of one launch."""
    return {
        **question.trigger,
        "params": question.trigger.get("params") or {},
        "timezone": question.timezone,
        "dargs": zone(question.timezone).wall(question.now)._asdict(),
        "now": question.now,
        "job": question.job,
    }


def verdicts(run: Run, count: int) -> list[Verdict]:
    """One verdict for each of `count` questions: what is missing is declined, what is too much ignored. Pure."""
    said = [_verdict(one) for one in run.items[:count]] if not run.problem else []
    return [*said, *([DECLINED] * (count - len(said)))]


def _verdict(said: Any) -> Verdict:
    if not isinstance(said, dict):
        return Verdict(said is True)
    if not truthy(said.get("launch")):
        return DECLINED
    data, delay = said.get("data"), said.get("delay")
    return Verdict(
        True,
        float(delay) if is_number(delay) and delay > 0 else 0,
        data if isinstance(data, dict) else {},
        tuple(_file(one) for one in said["files"]) if isinstance(said.get("files"), list) else (),
        truthy(said.get("invisible")),
    )


def _file(said: Any) -> Mapping[str, Any]:
    if isinstance(said, str):
        return {"path": said}
    return said if isinstance(said, dict) else {"path": ""}
