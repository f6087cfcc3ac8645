"""A job that the book has lost, taken from the copy its satellite holds (durability.md, "Reconnection"). Pure."""

from typing import Any, Literal

import msgspec

from conductor.jobs import content
from conductor.live.job import ActiveJob
from shared.protocol.messages import JobCopy
from shared.protocol.updates import storable


class _Limit(msgspec.Struct):
    type: str
    tags: list[str] = []


class _Job(msgspec.Struct):
    """What an active job must have to be listed, watched and ended. The rest of a copy is taken as it is."""

    id: str
    server: str
    state: Literal["active"]
    event: str
    category: str
    plugin: str
    started: float
    limits: list[_Limit] = []
    actions: list[dict[str, Any]] = []
    tags: list[str] = []
    targets: list[str] | str = []
    groups: list[str] = []
    params: dict[str, Any] = {}


class _Row(msgspec.Struct):
    id: str
    msg: str


class _Details(msgspec.Struct):
    activity: list[_Row] = []
    input: dict[str, Any] = {}


def adopted(copy: JobCopy, server_id: str, now: float) -> ActiveJob | None:
    """The job as the launch gave it, marked `recovered`; None for what no conductor has ever launched there."""
    try:
        job = msgspec.convert(copy.job, _Job)
        msgspec.convert(copy.details, _Details)
    except msgspec.ValidationError:
        return None
    if job.id != copy.id or job.server != server_id or not storable([copy.job, copy.details]):
        return None
    document = {**copy.job, "recovered": True, "updated": now, "remote": True}
    content.render(document, document, "")  # it comes from a host: nothing of it may run in a browser
    taken = ActiveJob(document, copy.details)
    taken.attempt = copy.attempt
    return taken
