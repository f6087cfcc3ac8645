"""An import: lines are stored in their order; those that are wrong are reported and left out."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

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
from conductor.administration.collections import Collections
from conductor.administration.statistics import Statistics
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.records.files import Files

Json = dict[str, Any]

_MOST_ERRORS = 100
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
    ) -> None:
        """`dry_run`: everything is read and checked, nothing is stored."""
        self.report = Report()
        self._collections = collections
        self._sections = sections
        self._lists = lists
        self._statistics = statistics
        self._files = files
        self._dry_run = dry_run
        self._complete = False

    async def line(self, number: int, text: bytes) -> None:
        """Store what a line says. Raises Unavailable and Deposed; what is wrong with the line is reported."""
        if not is_data(text):
            self._complete = self._complete or text.strip() == FOOTER.encode()
            return
        self.report.lines += 1
        try:
            line = parse(text)
            if line is not None:
                await self._store(number, line)
        except BadLine as error:
            self.report.blame(number, str(error))
        except (Unavailable, Deposed):
            raise
        except Refusal as refusal:
            self.report.blame(number, refusal.description)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            log.warning("a line of an import was left out", line=number, error=repr(error)[:200])
            self.report.blame(number, "it cannot be stored")

    async def finish(self) -> None:
        """Store the lists that are still gathered."""
        await self._store_lists()
        if not self._complete:
            self.report.blame(0, "the file ends early: its last line is missing")

    async def _store(self, number: int, line: Line) -> None:
        match line:
            case Put(key, value):
                name = list_of(key)
                await self._store_lists(but=name or "")
                if name is not None:
                    self._lists.put(name, key.split("/")[2] if key.count("/") == 2 else None, value)
                elif not self._dry_run:
                    await self._sections.put(key, value)
                self.report.keys += 1
            case Record(index, id, record):
                if index not in self._collections.names:
                    raise BadLine(f"there is no index {index[:40]}")
                if not _ID.fullmatch(id):
                    raise BadLine("a record's id is malformed")
                if not self._dry_run:
                    await self._collections.put(index, id, {**record, "id": id})
                self.report.records += 1
            case Command(command, args):
                await self._command(command, args)
                self.report.commands += 1

    async def _command(self, command: str, args: tuple[Any, ...]) -> None:
        key = args[0] if args and isinstance(args[0], str) else ""
        name = list_of(key)
        await self._store_lists(but=name or "")
        match command:
            case "listDelete" if name:
                self._lists.empty(name)
            case "listPush" | "listUnshift" if name and len(args) > 1:
                items = args[1] if isinstance(args[1], list) else [args[1]]
                self._lists.append(name, items, first=command == "listUnshift")
            case "put" if key and len(args) > 1 and not name:
                if not self._dry_run:
                    await self._sections.put(key, args[1])
            case "delete" if key.startswith(("files/", "logs/jobs/")):
                if not self._dry_run:
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
            elif name == "stats":
                await self._statistics.replace_history(_days(self._lists.taken(name)))
            else:
                for error in await self._lists.store(name):
                    self.report.blame(0, error)


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


def _days(items: list[Any]) -> list[tuple[int, Json]]:
    days = []
    for item in items:
        day = item.get("currentDay") if isinstance(item, dict) else None
        start = day.get("timeStart") if isinstance(day, dict) else None
        if isinstance(start, int | float):
            days.append((int(start), item))
    return days
