"""`stream_job`: a job's life as Server-Sent Events (contract api/jobs.yaml).

Updates are pushed when the job changes, at most ten a second, and at least once a second.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import web

from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint
from conductor.api.job_tokens import JobTokens
from conductor.api.office import Office
from conductor.errors import BadParameter, NotFound, Refusal
from conductor.jobs.followers import Follower
from conductor.live.job import ActiveJob
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings

_MOST_STREAMS = 200
"""Of one account, or of one address with tokens."""
_LEAST_SECONDS = 0.1
_MOST_SECONDS = 1.0
_LIVE = ("cpu", "mem", "disk", "net", "updated", "position")
_FINAL = ("table", "html", "data", "files")
_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class StreamJob(msgspec.Struct, kw_only=True):
    id: str = ""
    """Required; checked after the credentials."""
    token: str | None = None
    """A stream token; with one no other credentials are looked at."""


def endpoints(office: Office, archive: JobArchive, settings: Settings) -> tuple[Endpoint[Any], ...]:
    links = JobTokens(settings)
    streams: Counter[str] = Counter()

    async def stream_job(call: Call, params: StreamJob) -> web.StreamResponse:
        engine = office.engine
        if params.token is not None:
            if not links.opens_stream(params.id, params.token):
                raise BadParameter("Authentication failure.")
        else:
            await call.require_account()
        if not params.id:
            raise BadParameter("Missing parameter: id")
        caller = call.account.name or call.ip
        if streams[caller] >= _MOST_STREAMS:
            raise Refusal("rate", f"Too many streams are open (most is {_MOST_STREAMS})")
        # Followed before it is looked up: it may end at every await from here on.
        with _counted(streams, caller), engine.followers.follow(params.id) as follower:
            active = engine.book.get(params.id)
            ended = None if active else await archive.get(params.id)
            known = active.job if active else ended
            if known is None:
                raise NotFound(f"Failed to locate job: {params.id}")
            if params.token is None:
                call.account.require_job(known)
            elif ended is not None and links.stream_over(ended):
                raise BadParameter("Authentication failure.")
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(call.request)
            await _event(response, "start", {})
            if active is not None:
                await _follow(response, follower, active)
                ended = follower.record
            if ended is not None:
                await _event(response, "update", _final(ended))
                await _event(response, "end", {})
            await response.write_eof()
            return response

    return (
        Endpoint(
            name="stream_job",
            handler=stream_job,
            params=StreamJob,
            auth=Auth.TOKEN,
            summary="Follow a job: events start, update and end.",
        ),
    )


@contextmanager
def _counted(streams: Counter[str], caller: str) -> Iterator[None]:
    streams[caller] += 1
    try:
        yield
    finally:
        streams[caller] -= 1
        if not streams[caller]:
            del streams[caller]


async def _follow(response: web.StreamResponse, follower: Follower, job: ActiveJob) -> None:
    """Send updates until the job or the term has ended, or with the connection."""
    seen: dict[str, Any] = {}
    while not follower.over:
        await _event(response, "update", _packet(job.job, seen))
        await _next_change(follower)


async def _next_change(follower: Follower) -> None:
    await asyncio.sleep(_LEAST_SECONDS if not follower.over else 0)
    if not follower.over:
        await follower.changed(_MOST_SECONDS - _LEAST_SECONDS)


def _packet(job: Mapping[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """What to tell now; `seen` remembers what was told."""
    packet: dict[str, Any] = {"xy": 1, "progress": job.get("progress") or 0}
    if not seen:
        packet.update(id=job["id"], started=job["started"])
    if seen.get("state") != job["state"]:
        seen["state"] = packet["state"] = job["state"]
        if job.get("until"):
            packet["until"] = job["until"]
    if job.get("server") and seen.get("server") != job["server"]:
        seen["server"] = packet["server"] = job["server"]
    packet.update({key: job[key] for key in _LIVE if job.get(key)})
    if job.get("redraw") and seen.get("redraw") != job["redraw"]:
        seen["redraw"] = packet["redraw"] = job["redraw"]
        packet.update({key: job[key] for key in ("table", "html") if job.get(key)})
    return packet


def _final(job: Mapping[str, Any]) -> dict[str, Any]:
    packet = {"xy": 1, "id": job["id"], "code": job.get("code", 0), "description": job.get("description", "")}
    packet.update(completed=job.get("completed"), elapsed=job.get("elapsed"))
    packet.update({key: job[key] for key in _FINAL if job.get(key)})
    return packet


async def _event(response: web.StreamResponse, name: str, data: Mapping[str, Any]) -> None:
    await response.write(b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data)))
