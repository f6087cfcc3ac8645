"""Payloads of the `opsorbit.v1` extension: acknowledged logs and results, and the resume exchange.

The base protocol's payloads are documents and stay dicts. `docs/satellite-wire.md` tells the whole story.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

LOG_CHUNK_BYTES = 256 * 1024
"""Most log bytes in one `job_log`."""
LOG_WINDOW_BYTES = 1024 * 1024
"""Most unacknowledged log bytes of one job in flight."""
LATE_SAMPLES = "late_samples"
"""Name of the feature by which a conductor says in `joined` that it takes samples of a cut."""
LAUNCH_SCRIPTS = "launchScripts"
"""Name of the feature by which a satellite says in `hello` that it takes a plugin's script with the launch."""
LATE_BATCH = 10
"""Most samples in one `late_samples`."""

JobId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]+$", max_length=64)]
"""Of a job that is looked up in a store."""
Size = Annotated[int, msgspec.Meta(ge=0)]
"""Bytes of a log, or a place in it."""
Date = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Unix time in seconds."""


class HeldState(StrEnum):
    """What a satellite knows of a job it holds, from the job's directory."""

    TAKEN = "taken"  # journalled, never started
    RUNNING = "running"
    FINISHED = "finished"  # the result waits to be acknowledged
    LOST = "lost"  # it was started; neither its process nor its exit status is there


class HeldJob(msgspec.Struct, kw_only=True):
    id: JobId
    attempt: int
    state: HeldState
    log_size: Size = 0


class Resume(msgspec.Struct, kw_only=True):
    """`resume`, satellite → conductor: the first message after `joined`, also when nothing is held."""

    jobs: list[HeldJob] = []


class MetaRow(msgspec.Struct, kw_only=True):
    """One row of a job's meta log. The ID makes a repeated row recognisable."""

    id: str
    epoch: float
    msg: str


class JobUpdate(msgspec.Struct, kw_only=True):
    """`job_update`, satellite → conductor: what changed since the last one; a lost one does no harm."""

    id: str
    attempt: int
    update: dict[str, Any] = {}
    meta: list[MetaRow] = []


class JobLog(msgspec.Struct, kw_only=True):
    """`job_log`, satellite → conductor: log bytes that start at `offset`."""

    id: str
    attempt: int
    offset: Size
    data: bytes


class LogAck(msgspec.Struct, kw_only=True):
    """`log_ack`, conductor → satellite: `size` bytes are stored. With `rewind`, send on from there."""

    id: str
    attempt: int
    size: Size
    rewind: bool = False


class JobResult(msgspec.Struct, kw_only=True):
    """`job_result`, satellite → conductor: the end of an attempt; repeated until acknowledged."""

    id: JobId
    attempt: int
    log_size: Size
    job: dict[str, Any] = {}
    meta: list[MetaRow] = []


class ResultAck(msgspec.Struct, kw_only=True):
    """`result_ack`, conductor → satellite: archived (or refused for good); the directory may go."""

    id: str
    attempt: int


class SendCopy(msgspec.Struct, kw_only=True):
    """`send_copy`, conductor → satellite: the book does not know this job; send what you were given."""

    id: str
    attempt: int


class JobCopy(msgspec.Struct, kw_only=True):
    """`job_copy`, satellite → conductor: the launch as it was received, to be adopted."""

    id: JobId
    attempt: int
    job: dict[str, Any]
    details: dict[str, Any] = {}


class LateSample(msgspec.Struct, kw_only=True):
    date: Date
    data: dict[str, Any]


class LateSamples(msgspec.Struct, kw_only=True):
    """`late_samples`, satellite → conductor: minute samples that could not be sent when they were taken, oldest
    first; repeated until acknowledged. `now` and each `date` are by the satellite's clock."""

    batch: int
    now: Date
    samples: Annotated[list[LateSample], msgspec.Meta(max_length=LATE_BATCH)]


class LateAck(msgspec.Struct, kw_only=True):
    """`late_ack`, conductor → satellite: they are in the timelines, or of no use to them."""

    batch: int
