"""`test_scheduler_plugin`: try a scheduler plugin without launching anything (contract api/plugins.yaml)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import DefinitionId, Endpoint, Takes
from conductor.definitions.timezones import is_known_zone
from conductor.errors import BadParameter
from conductor.schedule.plugins import TriggerPlugins
from conductor.schedule.triggers.base import LATEST
from conductor.schedule.triggers.zones import server_zone
from conductor.settings import Settings
from shared import clock


class TestPlugin(msgspec.Struct, kw_only=True):
    id: DefinitionId
    params: dict[str, Any] = {}
    timezone: str = ""
    """By default the server's."""
    epoch: Annotated[float, msgspec.Meta(ge=0, le=LATEST)] | None = None
    """The moment that the plugin is asked about; by default now."""


def endpoints(plugins: TriggerPlugins, settings: Settings) -> tuple[Endpoint[Any], ...]:
    async def test_scheduler_plugin(call: Call, params: TestPlugin) -> Mapping[str, Any]:
        timezone = params.timezone or server_zone(settings.tz)
        if not is_known_zone(timezone):
            raise BadParameter(f"Unknown timezone: {timezone}")
        epoch = clock.now() if params.epoch is None else params.epoch
        run = await plugins.tried(params.id, params.params, timezone, epoch)
        answer: dict[str, Any] = {"child_cmd": run.command, "stdout": run.stdout, "stderr": run.stderr}
        if run.problem:
            return {**answer, "err": True, "description": run.problem}
        return {**answer, "data": run.data}

    return (
        Endpoint(
            name="test_scheduler_plugin",
            handler=test_scheduler_plugin,
            params=TestPlugin,
            summary="Run a scheduler plugin with one invented launch; nothing comes of it.",
            methods=("POST",),
            privilege="edit_plugins",
            takes=Takes.BODY,
            mutates=True,
        ),
    )
