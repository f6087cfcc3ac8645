"""Files that go when their time has come (contract api/files.yaml `storage_paths`, platform.md §5).

One row for each such file, written before its blob. A night that was missed leaves nothing for ever: what is
due is found by its time, not by a list of its day. A key that ends in a job's ID stands for all that the job
has stored.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import Enum, auto

import sqlalchemy as sa
import structlog

from conductor.errors import Unavailable
from conductor.records.files import Files
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import file_expiry as table

_BATCH = 200
_LATER_SECONDS = 86_400
_AFTER_SLASH = "0"
"""The character after `/`: the end of the range of keys below a folder."""

_SET = upsert(table)
_FORGET = sa.delete(table).where(table.c.key == sa.bindparam("gone"))
_FORGET_UNDER = sa.delete(table).where(
    table.c.key >= sa.bindparam("first"), table.c.key < sa.bindparam("last")
)
_DUE = (
    sa.select(table.c.key)
    .where(table.c.expires <= sa.bindparam("time"))
    .order_by(table.c.expires, table.c.key)
    .limit(_BATCH)
)
_COUNT_UNDER = (
    sa.select(sa.func.count())
    .select_from(table)
    .where(table.c.key >= sa.bindparam("first"), table.c.key < sa.bindparam("last"))
)
_ONE = sa.select(table.c.expires).where(table.c.key == sa.bindparam("wanted"))

log = structlog.get_logger(__name__)


class Fate(Enum):
    """What becomes of a file whose time has come."""

    DELETE = auto()
    KEEP = auto()
    """It belongs to somebody by now and goes with that."""
    LATER = auto()
    """It cannot be told yet."""


Fates = Callable[[Sequence[str]], Awaitable[Mapping[str, Fate]]]


async def _all_go(keys: Sequence[str]) -> Mapping[str, Fate]:
    return {}


class FileExpiry:
    """`fates` is asked about each file that is due; one it does not name is deleted."""

    def __init__(self, records: Records, files: Files, fates: Fates = _all_go) -> None:
        self._records = records
        self._files = files
        self.fates = fates

    async def set(self, keys: Iterable[str], expires: int) -> None:
        """From now on these files go at `expires`, Unix seconds. Raises Unavailable."""
        await self._records.write(self.set_write(keys, expires))

    async def forget(self, keys: Iterable[str]) -> None:
        """These files stay, or are gone."""
        await self._records.write(self.forget_write(keys))

    async def forget_under(self, folder: str) -> None:
        await self._records.write(Write(_FORGET_UNDER, _below(folder)))

    @staticmethod
    def set_write(keys: Iterable[str], expires: int) -> Write:
        """`set` for somebody else's transaction."""
        return Write(_SET, [{"key": key, "expires": expires} for key in keys])

    @staticmethod
    def forget_write(keys: Iterable[str]) -> Write:
        return Write(_FORGET, [{"gone": key} for key in keys])

    async def expires(self, key: str) -> int | None:
        return await self._records.read(
            lambda connection: connection.execute(_ONE, {"wanted": key}).scalar_one_or_none()
        )

    async def count_under(self, folder: str) -> int:
        """How many files below a folder have an expiry."""
        return int(
            await self._records.read(
                lambda connection: connection.execute(_COUNT_UNDER, _below(folder)).scalar_one()
            )
        )

    async def expire(self, now: float) -> int:
        """Delete what is due; return how many files that were. What the store refuses stays due.

        A blob goes before its row, so that a death in between is made good by the next call.
        """
        count = 0
        while keys := await self._due(now):
            fates = await self.fates(keys)
            gone, kept, later = [], [], []
            for key in keys:
                fate = fates.get(key, Fate.DELETE)
                if fate is Fate.KEEP:
                    kept.append(key)
                elif fate is Fate.LATER or not await self._deleted(key):
                    later.append(key)
                else:
                    gone.append(key)
            await self._records.write(
                self.forget_write([*gone, *kept]), self.set_write(later, int(now) + _LATER_SECONDS)
            )
            count += len(gone)
        if count:
            log.info("expired files were deleted", files=count)
        return count

    async def _due(self, now: float) -> list[str]:
        return await self._records.read(
            lambda connection: list(connection.execute(_DUE, {"time": int(now)}).scalars())
        )

    async def _deleted(self, key: str) -> bool:
        try:
            job_id = job_folder(key)
            if job_id:
                await self._files.delete_under(key)
                await self._files.delete_under(f"logs/jobs/{job_id}")
            else:
                await self._files.delete(key)
        except Unavailable as error:
            log.warning("an expired file was not deleted", key=key, error=str(error))
            return False
        return True


def job_folder(key: str) -> str:
    """The job's ID if the key stands for everything a job has stored, else empty."""
    segments = key.split("/")
    return segments[2] if len(segments) == 3 and segments[:2] == ["files", "jobs"] else ""


def _below(folder: str) -> dict[str, str]:
    return {"first": f"{folder}/", "last": f"{folder}{_AFTER_SLASH}"}
