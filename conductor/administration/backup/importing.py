"""An import: lines are stored in their order; those that are wrong are reported and left out."""

import gzip
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from conductor.administration.backup.kept import Sections
from conductor.administration.backup.lines import (
    FOOTER,
    LONGEST,
    BadLine,
    Command,
    Line,
    Put,
    Record,
    is_data,
    parse,
)
from conductor.administration.backup.lists import Lists, list_of
from conductor.administration.backup.undo import Undo, days_of
from conductor.administration.collections import Collections
from conductor.administration.statistics import Statistics
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.records.files import Files

Json = dict[str, Any]

_MOST_ERRORS = 100
_TOGETHER = 100
"""Records of one transaction."""
_ID = re.compile(r"[A-Za-z0-9_]{1,64}")
_GZIP = b"\x1f\x8b"
_IGNORED_COMMANDS = ("listCreate", "hashCreate")

log = structlog.get_logger(__name__)


class Report:
    """What came of an import."""

    def __init__(self) -> None:
        self.lines = 0
        self.records = 0
        self.keys = 0
        self.commands = 0
        self.errors: list[str] = []
        self.wrong = 0

    def blame(self, number: int, text: str) -> None:
        """The first hundred are kept, all are counted."""
        self.wrong += 1
        if len(self.errors) < _MOST_ERRORS:
            self.errors.append(f"line {number}: {text}" if number else text)

    def counters(self) -> Json:
        return {
            "lines": self.lines,
            "records": self.records,
            "keys": self.keys,
            "commands": self.commands,
            "errors": self.wrong,
        }

    def markdown(self) -> str:
        counted = "\n".join(f"- {name}: {count}" for name, count in self.counters().items())
        listed = "\n".join(f"- {error}" for error in self.errors)
        more = f"\n- and {self.wrong - len(self.errors)} more" if self.wrong > len(self.errors) else ""
        return f"{counted}\n\n### Errors\n\n{listed}{more}" if self.errors else counted


class Import:
    """One import. Feed it with `lines_of` a file; then `finish`."""

    def __init__(
        self,
        collections: Collections,
        sections: Sections,
        lists: Lists,
        statistics: Statistics,
        files: Files,
        *,
        dry_run: bool = False,
        undo: Undo | None = None,
        merge: bool = False,
    ) -> None:
        """`dry_run`: everything is read and checked, nothing is stored. `undo` is told of all before it is replaced.

        `merge`: what a list has and the file has not stays.
        """
        self.report = Report()
        self._collections = collections
        self._sections = sections
        self._lists = lists
        self._statistics = statistics
        self._files = files
        self._dry_run = dry_run
        self._undo = undo
        self._merge = merge
        self._complete = False
        self._batch: dict[str, tuple[int, Record]] = {}
        """Records of one collection, by ID, that are stored together."""

    async def line(self, number: int, text: bytes) -> None:
        """Store what a line says. Raises Unavailable and Deposed; what is wrong with the line is reported."""
        if not is_data(text):
            self._complete = self._complete or text.strip() == FOOTER.encode()
            return
        self.report.lines += 1
        async with self._blaming(number):
            line = parse(text)
            if line is not None:
                await self._store(number, line)

    @asynccontextmanager
    async def _blaming(self, number: int) -> AsyncIterator[None]:
        try:
            yield
        except BadLine as error:
            self.report.blame(number, str(error))
        except Deposed:
            raise
        except Refusal as refusal:
            if isinstance(refusal, Unavailable) and not _is_taken(refusal):
                raise
            taken = "something else has its number" if _is_taken(refusal) else refusal.description
            self.report.blame(number, taken)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            log.warning("a line of an import was left out", line=number, error=repr(error)[:200])
            self.report.blame(number, "it cannot be stored")

    async def finish(self) -> None:
        """Store the records and lists that are still gathered."""
        await self._store_batch()
        await self._store_lists()
        if not self._complete:
            self.report.blame(0, "the file ends early: its last line is missing")

    async def _store(self, number: int, line: Line) -> None:
        if not isinstance(line, Record):
            await self._store_batch()
        match line:
            case Put(key, value):
                name = list_of(key)
                await self._store_lists(but=name or "")
                if name is not None:
                    self._lists.put(name, key.split("/")[2] if key.count("/") == 2 else None, value)
                elif not self._dry_run:
                    await self._put(key, value)
                self.report.keys += 1
            case Record(index, id, _):
                if index not in self._collections.names:
                    raise BadLine(f"there is no index {index[:40]}")
                if not _ID.fullmatch(id):
                    raise BadLine("a record's id is malformed")
                if not self._dry_run:
                    await self._gather(number, line)
                self.report.records += 1
            case Command(command, args):
                await self._command(command, args)
                self.report.commands += 1

    async def _put(self, key: str, value: Any) -> None:
        if self._undo:
            await self._undo.keep_key(key)
        await self._sections.put(key, value)

    async def _gather(self, number: int, line: Record) -> None:
        full = len(self._batch) >= _TOGETHER
        others = any(one.index != line.index for _, one in self._batch.values())
        if full or others or line.id in self._batch:
            await self._store_batch()
        self._batch[line.id] = (number, line)

    async def _store_batch(self) -> None:
        """Store the gathered records; one that cannot be stored keeps no other from it."""
        batch, self._batch = self._batch, {}
        if not batch:
            return
        index = next(iter(batch.values()))[1].index
        if self._undo:
            await self._undo.keep_records(index, list(batch))
        try:
            await self._collections.put_many(index, {id: line.record for id, (_, line) in batch.items()})
        except Deposed:
            raise
        except (
            Refusal,
            TypeError,
            ValueError,
            KeyError,
            AttributeError,
            RecursionError,
            OverflowError,
        ) as error:
            if isinstance(error, Unavailable) and not _is_taken(error):
                raise
            for id, (number, line) in batch.items():
                async with self._blaming(number):
                    await self._collections.put(index, id, {**line.record, "id": id})

    async def _command(self, command: str, args: tuple[Any, ...]) -> None:
        key = args[0] if args and isinstance(args[0], str) else ""
        name = list_of(key)
        await self._store_lists(but=name or "")
        match command:
            case "listDelete" if name:
                if not self._merge:
                    self._lists.empty(name)
            case "listPush" | "listUnshift" if name and len(args) > 1:
                items = args[1] if isinstance(args[1], list) else [args[1]]
                self._lists.append(name, items, first=command == "listUnshift")
            case "put" if key and len(args) > 1 and not name:
                if not self._dry_run:
                    await self._put(key, args[1])
            case "delete" if key.startswith(("files/", "logs/jobs/")):
                if not self._dry_run:
                    if self._undo:
                        await self._undo.keep_key(key)
                    await self._files.delete(key)
            case _ if command in _IGNORED_COMMANDS or command.startswith("list"):
                if command not in _IGNORED_COMMANDS:
                    raise BadLine(f"the command {command[:40]} has no meaning for {key[:80]}")
            case _:
                raise BadLine(f"the command {command[:40]} is not known here")

    async def _store_lists(self, but: str = "") -> None:
        for name in self._lists.pending(but):
            if self._dry_run:
                self._lists.taken(name)
                continue
            if self._undo and name != "users":  # those have keys of their own
                await self._undo.keep_list(name)
            if name == "stats":
                await self._statistics.replace_history(days_of(self._lists.taken(name)))
            else:
                for error in await self._lists.store(name):
                    self.report.blame(0, error)


def _is_taken(refusal: Refusal) -> bool:
    """Whether something else is where a record wants to be: the original gave out numbers of tickets twice."""
    return isinstance(refusal.__cause__, IntegrityError)


def lines_of(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, unpacked if it is gzip; one that is too long comes as what it begins with.

    Raises OSError, EOFError, zlib.error for a file that is broken.
    """
    with file.open("rb") as plain:
        packed = plain.read(2) == _GZIP
    with gzip.open(file) if packed else file.open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST):
            number += 1
            yield number, line
            while not line.endswith(b"\n") and len(line) == LONGEST:
                line = stream.readline(LONGEST)  # the rest of a line that nobody will want


def data_lines(file: Path) -> int:
    """How many lines hold data. Raises Refusal `admin` for a file that has none or cannot be read."""
    try:
        count = sum(1 for _, line in lines_of(file) if is_data(line))
    except (OSError, EOFError, zlib.error) as error:
        raise Refusal("admin", f"The file cannot be read: {error}") from None
    if not count:
        raise Refusal("admin", "The file has no data in it.")
    return count
