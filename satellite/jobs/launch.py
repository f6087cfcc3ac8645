"""What a conductor asks a satellite to run (contract satellite_protocol.md §4)."""

import re
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]

_ID = re.compile(r"[a-z0-9_]{1,64}")


class LaunchError(ValueError):
    """The launch names no job that could be run or reported; it is dropped."""


class AttemptKey(NamedTuple):
    """What identifies a run on a host. At most one process is ever started for it."""

    id: str
    attempt: int


class Launch(msgspec.Struct, kw_only=True):
    """One attempt at a job. `sec` is memory only: it reaches the process, never the record on disk."""

    job: Json
    details: Json = {}
    sec: Json = {}
    attempt: int = 1
    script: str = ""
    """Of its plugin; agents of the original have it beforehand."""

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.job["id"], self.attempt)


def parse_launch(data: Json) -> Launch:
    """Raises LaunchError. The ID becomes part of paths, so its alphabet is checked here."""
    try:
        launch = msgspec.convert(data, Launch)
    except msgspec.ValidationError as error:
        raise LaunchError(str(error)) from None
    job_id = launch.job.get("id")
    if not isinstance(job_id, str) or not _ID.fullmatch(job_id):
        raise LaunchError("the job has no valid ID")
    if launch.attempt < 1:
        raise LaunchError("attempts count from 1")
    launch.job.pop("type", None)
    return launch
