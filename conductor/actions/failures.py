"""Actions that failed, kept for whoever looks after the house: the newest of them, whatever became of their jobs.

An observer of signals. The list is bounded; a failure that the database does not take in time is in its job's
record all the same.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from conductor.errors import Unavailable
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import action_failures as table
from conductor.signals import ActionRun, Signal
from shared.clock import now
from shared.ids import short_id

Json = dict[str, Any]

_PRUNE_EVERY = 50
_SHOWN = (
    "source",
    "details",
    "loc",
    "web_hook",
    "channel_id",
    "plugin_id",
    "bucket_id",
    "event_id",
    "repeated",
)

_INSERT = insert_new(table)
_BEFORE = sa.select(table.c.id).order_by(table.c.id.desc()).limit(1).offset(sa.bindparam("most"))
_PRUNE = sa.delete(table).where(table.c.id <= _BEFORE.scalar_subquery())
_ALL = sa.select(table.c.doc).order_by(table.c.id.desc())

log = structlog.get_logger(__name__)


class FailedActions:
    def __init__(self, records: Records, most: int) -> None:
        """`most`: how many are kept."""
        self._records = records
        self._most = max(most, 1)
        self._since_pruning = 0

    async def observe(self, signal: Signal) -> None:
        if not isinstance(signal, ActionRun) or not signal.code:
            return
        failure = _failure(signal)
        writes = [Write(_INSERT, {"id": failure["id"], "doc": msgspec.json.encode(failure)})]
        self._since_pruning += 1
        if self._since_pruning >= _PRUNE_EVERY:
            self._since_pruning = 0
            writes.append(Write(_PRUNE, {"most": self._most}))
        try:
            await self._records.write(*writes, fenced=False)
        except Unavailable as error:
            log.warning("a failed action was not listed", job=signal.job_id, reason=error.description)

    async def newest(self, seen: Callable[[Json], bool]) -> list[Json]:
        """Those that `seen` lets through, newest first. Raises Unavailable."""
        query = _ALL.limit(self._most)
        rows = await self._records.read(lambda connection: connection.execute(query).scalars().all())
        found = (msgspec.json.decode(row, type=Json) for row in rows)
        return [failure for failure in found if seen(failure)]


def _failure(signal: ActionRun) -> Json:
    action: Mapping[str, Any] = signal.action
    failure: Json = {
        "id": short_id("f"),
        "date": action.get("date") or now(),
        "type": signal.type,
        "condition": signal.condition,
        "code": signal.code,
        "description": signal.description,
        "elapsed_ms": signal.elapsed_ms,
        **{key: action[key] for key in _SHOWN if key in action},
        "subject": dict(signal.subject),
    }
    if signal.job_id:
        failure["job"] = signal.job_id
    if signal.alert_id:
        failure["alert"] = signal.alert_id
    return failure
