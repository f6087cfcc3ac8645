"""Limit `file`: which of a job's input files it gets (contract jobs.md §8, structures/limit.yaml). Pure.

Files are left out, never an end to the job: those beyond the count, from the one with which the sum of sizes
is exceeded, and those whose name does not end as accepted. An amount of 0 means none at all, as clients know
it; one that is absent means no bound.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conductor.jobs.limits.reading import Limit, number

File = Mapping[str, Any]


class Left(NamedTuple):
    """A file that the job does not get."""

    name: str
    reason: str


class Kept(NamedTuple):
    files: list[File]
    left: tuple[Left, ...]


def prune(limit: Limit | None, files: Sequence[Any]) -> Kept:
    """The input files that remain, in their order, and the others with the reason of each."""
    real = [file for file in files if isinstance(file, dict)]
    if limit is None:
        return Kept(list(real), ())
    kept: list[File] = []
    left: list[Left] = []
    most = number(limit["amount"]) if limit.get("amount") not in (None, "") else None
    room = number(limit.get("size"))
    endings = _endings(limit.get("accept"))
    total, full = 0.0, False
    for place, file in enumerate(real):
        name = str(file.get("filename") or "")
        total += number(file.get("size"))
        full = full or bool(room and total > room)
        if most is not None and place >= most:
            left.append(Left(name, f"more than {most:g} files"))
        elif full:
            left.append(Left(name, f"more than {room:.15g} bytes in all"))
        elif endings and not name.lower().endswith(endings):
            left.append(Left(name, f"not one of {', '.join(endings)}"))
        else:
            kept.append(file)
    return Kept(kept, tuple(left))


def _endings(accept: Any) -> tuple[str, ...]:
    """`.csv, txt` as endings with their dots, lower-case."""
    words = accept.split(",") if isinstance(accept, str) else ()
    return tuple("." + ending for word in words if (ending := word.strip().lower().lstrip(".")))
