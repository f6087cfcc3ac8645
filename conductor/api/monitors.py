"""Monitors' values: tests of a definition, quick samples, timelines (contract api/monitors.yaml).

The definitions themselves are served by `api/definitions.py`.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import DefinitionId, Endpoint, Text, WordId
from conductor.api.known_servers import KnownServers, online_server
from conductor.api.metrics import Text as MetricsText
from conductor.definitions.repository import Definitions
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import BadParameter, Refusal
from conductor.fleet.roster import Roster
from conductor.monitoring.exposition import exposition
from conductor.monitoring.monitors import MOST_STEPS, stored
from conductor.monitoring.rows import SYSTEMS, System
from conductor.monitoring.samples import Samples
from conductor.monitoring.timelines import Ask
from conductor.records.searchable import SearchableDocuments
from shared.expressions import UNDEFINED, ExpressionError, compile_expression, compile_pattern
from shared.expressions.limits import Allowance
from shared.expressions.measures import monitor_value
from shared.expressions.patterns import search
from shared.expressions.values import to_text

_INTEGERS = ("integer", "bytes", "seconds", "milliseconds")
_LAST_SECOND = 2**40
MOST_SERVERS = 100
"""Servers of one `get_fleet_monitor_data`."""
_FLEET_ROWS = 100_000
"""Rows of all its servers together."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
UnixTime = Annotated[int, msgspec.Meta(ge=0, le=_LAST_SECOND)]


class MonitorTest(msgspec.Struct, kw_only=True):
    server: WordId
    source: Text
    data_type: WordId
    data_match: str | None = None


class PluginTest(msgspec.Struct, kw_only=True):
    id: DefinitionId
    server: WordId


class QuickQuery(msgspec.Struct, kw_only=True):
    server: str | None = None
    group: str | None = None


class LatestQuery(msgspec.Struct, kw_only=True):
    server: WordId
    sys: WordId
    limit: Count
    monitors: str | list[str] | None = None
    """Only these: IDs, as a list or separated by commas."""
    detail: bool = False
    """Rows with least, most and last values, and the growth of counters."""


class HistoryQuery(LatestQuery, kw_only=True):
    date: UnixTime


class FleetQuery(msgspec.Struct, kw_only=True):
    sys: WordId
    date: UnixTime
    limit: Annotated[int, msgspec.Meta(ge=1, le=_FLEET_ROWS)]
    servers: str | list[str] | None = None
    group: str | None = None
    monitors: str | list[str] | None = None
    detail: bool = False


def endpoints(
    definitions: Definitions, roster: Roster, stored_servers: SearchableDocuments, samples: Samples
) -> tuple[Endpoint[Any], ...]:
    known = KnownServers(roster, stored_servers)

    async def host_record(id: str) -> Mapping[str, Any]:
        record = await samples.latest(id)
        if record is None:
            raise Refusal("monitor", f"Failed to load host data for server: {id}: it has sent no sample yet")
        return record

    async def test_monitor(call: Call, params: MonitorTest) -> Mapping[str, Any]:
        refuse_group_limited(call.account, "monitors")
        try:
            source = compile_expression(params.source)
            if params.data_match:
                compile_pattern(params.data_match)
        except ExpressionError as error:
            raise Refusal("monitor", f"Invalid source or data_match: {error}") from None
        record = await host_record(params.server)
        try:
            value = source.evaluate_within(Allowance(steps=MOST_STEPS), record["data"])
            if value is UNDEFINED:
                return {"fail": True}
            if params.data_match:
                allowance = Allowance()
                found = search(params.data_match, to_text(value, allowance), allowance)
                if found is None:
                    raise Refusal("monitor", f"The data_match found nothing: {params.data_match}")
            data_type = params.data_type if params.data_type in _INTEGERS else "float"
            return {"value": stored(monitor_value(value, data_type, params.data_match or ""))}
        except ExpressionError:
            return {"fail": True}

    async def test_monitor_plugin(call: Call, params: PluginTest) -> Mapping[str, Any]:
        plugin = definitions.get("plugins", params.id)
        if plugin is None or plugin.get("type") != "monitor":
            raise BadParameter(f"Monitor Plugin not found: {params.id}")
        server = online_server(roster, call, params.server, "api")
        if not server["info"]["features"].get("testMonitorPlugin"):
            raise BadParameter(f"The satellite of this server cannot test Monitor Plugins: {params.server}")
        return await roster.plugin_tests.run(params.server, params.id)

    async def get_quickmon_data(call: Call, params: QuickQuery) -> Mapping[str, Any]:
        if params.server:
            server = roster.online.get(params.server)
            if server is None:
                return {"servers": {} if call.account.groups else {params.server: []}}
            call.account.require_groups(server["groups"])
            return {"servers": {params.server: samples.recent(params.server)}}
        if params.group:
            call.account.require_group(params.group)
        return {
            "servers": {
                id: samples.recent(id)
                for id, server in roster.online.items()
                if (not params.group or params.group in server["groups"])
                and call.account.sees_groups(server["groups"])
            }
        }

    async def get_latest_monitor_data(call: Call, params: LatestQuery) -> Mapping[str, Any]:
        system = system_of(params.sys)
        await known.visible(call, params.server)
        record = await host_record(params.server)
        ask = Ask(system, params.limit, None, ids_of(params.monitors), params.detail)
        return {"rows": await samples.rows(params.server, ask), "data": record}

    async def get_historical_monitor_data(call: Call, params: HistoryQuery) -> Mapping[str, Any]:
        system = system_of(params.sys)
        await known.visible(call, params.server)
        first = system.slot(params.date)
        ask = Ask(system, params.limit, first, ids_of(params.monitors), params.detail)
        return {"rows": await samples.rows(params.server, ask)}

    async def get_fleet_monitor_data(call: Call, params: FleetQuery) -> Mapping[str, Any]:
        system = system_of(params.sys)
        named = ids_of(params.servers)
        if named is None and not params.group:
            raise BadParameter("Missing parameter: servers or group")
        if params.group:
            call.account.require_group(params.group)
            named = (named or frozenset()) | {
                id for id, server in roster.online.items() if params.group in server["groups"]
            }
        wanted = sorted(named or ())
        if len(wanted) > MOST_SERVERS or len(wanted) * params.limit > _FLEET_ROWS:
            raise BadParameter(
                f"Malformed parameter: limit (at most {MOST_SERVERS} servers and {_FLEET_ROWS} rows together)"
            )
        for id in wanted:
            await known.visible(call, id)
        ask = Ask(system, params.limit, system.slot(params.date), ids_of(params.monitors), params.detail)
        return {"servers": {id: await samples.rows(id, ask) for id in wanted}}

    return (
        Endpoint(
            name="test_monitor",
            handler=test_monitor,
            params=MonitorTest,
            summary="What a monitor would be on a server's last sample.",
            methods=("POST",),
            privilege="edit_monitors",
        ),
        Endpoint(
            name="test_monitor_plugin",
            handler=test_monitor_plugin,
            params=PluginTest,
            summary="Run a stored monitor plugin on a server now.",
            methods=("POST",),
            privilege="edit_plugins",
        ),
        Endpoint(
            name="get_quickmon_data",
            handler=get_quickmon_data,
            params=QuickQuery,
            summary="The last minute of quick samples: of a server, of a group, or of all.",
        ),
        Endpoint(
            name="get_latest_monitor_data",
            handler=get_latest_monitor_data,
            params=LatestQuery,
            summary="The last rows of a server's timeline, and its last sample.",
        ),
        Endpoint(
            name="get_historical_monitor_data",
            handler=get_historical_monitor_data,
            params=HistoryQuery,
            summary="Rows of a server's timeline from a date on.",
        ),
        Endpoint(
            name="get_fleet_monitor_data",
            handler=get_fleet_monitor_data,
            params=FleetQuery,
            summary="Rows of the timelines of several servers from a date on.",
        ),
    )


def exposition_of(samples: Samples, roster: Roster) -> MetricsText:
    """The online servers' monitors for /metrics, written in a thread."""

    async def text() -> str:
        readings = samples.readings()
        servers = {id: server for id, server in roster.online.items() if id in readings}
        return await asyncio.to_thread(exposition, samples.monitors.all(), servers, readings)

    return text


def system_of(id: str) -> System:
    if id not in SYSTEMS:
        raise Refusal("monitor", f"Unknown timeline system: {id}")
    return SYSTEMS[id]


def ids_of(value: str | list[str] | None) -> frozenset[str] | None:
    """None: no choice was made."""
    if not value:
        return None
    listed = value.split(",") if isinstance(value, str) else value
    return frozenset(id.strip() for id in listed if id.strip())
