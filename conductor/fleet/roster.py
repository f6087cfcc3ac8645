"""Who is online, and the messages to them: the fleet's side of the jobs room's port."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from conductor.fleet.connection import Connection
from conductor.fleet.plugin_tests import PluginTests
from conductor.fleet.questions import Questions
from shared import clock
from shared.protocol.messages import LAUNCH_SCRIPTS, LogAck, ResultAck, SendCopy

_RECENT = 10
"""Offline servers kept in memory (contract satellite_protocol.md §6.2)."""

Record = dict[str, Any]


class Launch(msgspec.Struct):
    """`launch_job`."""

    job: Mapping[str, Any]
    details: Mapping[str, Any]
    sec: dict[str, str]
    attempt: int
    script: str | msgspec.UnsetType = msgspec.UNSET
    """Of the plugin, where the satellite takes it with the launch."""


class Roster:
    """Online servers and their sockets. Fills `conductor.jobs.agents.Agents`."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._records: dict[str, Record] = {}
        self._connections: dict[str, Connection] = {}
        self._recent: dict[str, Record] = {}
        self._expected: dict[str, Record] = {}
        self._expected_until = 0.0
        self.questions = Questions(self.tell)
        self.plugin_tests = PluginTests(self.questions)
        self.before_launch: Callable[[], None] = _nothing
        """Called before each launch, to tell satellites what they must know by then."""
        self.script_of: Callable[[str], str] = _no_script
        """The script of an event plugin."""
        self.signed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _unchanged
        """Makes the input files of a launch fetchable where a path alone does not open them."""

    # Who is there

    @property
    def online(self) -> Mapping[str, Record]:
        return self._records

    @property
    def recent(self) -> Mapping[str, Record]:
        """The servers that left last."""
        return self._recent

    @property
    def expected(self) -> Mapping[str, Record]:
        """Servers that were known before a take-over and have not come back yet; empty after a while."""
        return self._expected if clock.monotonic() < self._expected_until else {}

    def expect(self, records: Mapping[str, Record], seconds: float) -> None:
        self._recent.clear()  # of an earlier term
        self._expected = dict(records)
        self._expected_until = clock.monotonic() + seconds

    def record(self, server_id: str) -> Record | None:
        return self._records.get(server_id) or self._recent.get(server_id)

    def connection(self, server_id: str) -> Connection | None:
        return self._connections.get(server_id)

    def connections(self) -> list[Connection]:
        return list(self._connections.values())

    def enter(self, record: Record, connection: Connection) -> Connection | None:
        """A server joined. Answers the older socket it had, which is stripped of its role."""
        server_id = str(record["id"])
        older = self._connections.get(server_id)
        if older is not None:
            older.server_id = ""
        connection.server_id = server_id
        self._connections[server_id] = connection
        self._records[server_id] = record
        self._recent.pop(server_id, None)
        self._expected.pop(server_id, None)
        return older

    def leave(self, connection: Connection) -> Record | None:
        """A socket closed. Answers the record of the server that is offline now, if it is."""
        server_id = connection.server_id
        if not server_id or self._connections.get(server_id) is not connection:
            return None
        del self._connections[server_id]
        record = self._records.pop(server_id)
        self._recent[server_id] = record
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return record

    def forget_left(self, before: float) -> None:
        """Remember those no longer who left before this Unix time."""
        for server_id, record in list(self._recent.items()):
            if float(record.get("modified") or 0) < before:
                del self._recent[server_id]

    def drop(self, server_id: str) -> Record | None:
        """Forget a server that is not online; answers its last record, if it was remembered."""
        self._expected.pop(server_id, None)
        return self._recent.pop(server_id, None)

    # What they are told

    def tell(self, server_id: str, cmd: str, data: Any) -> None:
        connection = self._connections.get(server_id)
        if connection is not None:
            connection.send(cmd, data)

    def tell_all(self, cmd: str, data: Any) -> None:
        for connection in self._connections.values():
            connection.send(cmd, data)

    def lists_its_jobs(self, server_id: str) -> bool:
        connection = self._connections.get(server_id)
        return connection is not None and connection.acknowledges

    def launch(
        self, server_id: str, job: Mapping[str, Any], details: Mapping[str, Any], attempt: int
    ) -> None:
        record = self._records.get(server_id)
        if record is None:
            return
        self.before_launch()
        given = {
            **self.signed(details),
            "serverData": record.get("userData") or {},
            "versions": {
                "xyops": self._version,
                "xysat": str((record.get("info") or {}).get("satellite", "")),
            },
        }
        launch = Launch(job, given, {}, attempt)
        if job.get("script") and takes_scripts(record):
            launch.script = self.script_of(str(job.get("plugin")))
        self.tell(server_id, "launch_job", launch)

    def abort(self, server_id: str, job_id: str, attempt: int, reason: str) -> None:
        self.tell(server_id, "abort_job", {"id": job_id, "attempt": attempt, "reason": reason})

    def acknowledge_log(
        self, server_id: str, job_id: str, attempt: int, size: int, *, rewind: bool = False
    ) -> None:
        if self.lists_its_jobs(server_id):
            self.tell(server_id, "log_ack", LogAck(id=job_id, attempt=attempt, size=size, rewind=rewind))

    def acknowledge_result(self, server_id: str, job_id: str, attempt: int) -> None:
        if self.lists_its_jobs(server_id):
            self.tell(server_id, "result_ack", ResultAck(id=job_id, attempt=attempt))

    def ask_for_copy(self, server_id: str, job_id: str, attempt: int) -> None:
        if self.lists_its_jobs(server_id):
            self.tell(server_id, "send_copy", SendCopy(id=job_id, attempt=attempt))


def takes_scripts(record: Mapping[str, Any]) -> bool:
    """Whether the server's satellite wants no script of a plugin before it runs it."""
    features = (record.get("info") or {}).get("features")
    return isinstance(features, dict) and features.get(LAUNCH_SCRIPTS) is True


def _no_script(plugin_id: str) -> str:
    return ""


def _unchanged(details: Mapping[str, Any]) -> Mapping[str, Any]:
    return details


def _nothing() -> None:
    """Nobody wants to be called."""
