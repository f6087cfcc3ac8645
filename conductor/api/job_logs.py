"""Job logs: whole, by token, and the live tail (contract api/jobs.yaml)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint
from conductor.api.office import Office
from conductor.errors import BadParameter, NotFound
from conductor.jobs.finisher import log_key
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings
from shared.protocol import tokens

DEFAULT_TAIL_BYTES = 32_768
MAX_TAIL_BYTES = 1_048_576

_TEXT = "text/plain; charset=utf-8"


class JobLog(msgspec.Struct, kw_only=True):
    id: str


class JobLogByToken(msgspec.Struct, kw_only=True):
    id: str
    t: str
    """The log token that get_job returns."""


class Tail(msgspec.Struct, kw_only=True):
    id: str
    bytes: int = DEFAULT_TAIL_BYTES
    """Window from the end, 1 to 1048576."""


class TailText(msgspec.Struct, kw_only=True):
    text: str


def endpoints(
    office: Office, archive: JobArchive, files: Files, settings: Settings
) -> tuple[Endpoint[Any], ...]:
    async def stored(job: Mapping[str, Any]) -> web.Response | None:
        """The log of an ended job; None when it has none."""
        if isinstance(job.get("output"), str):
            return web.Response(body=job["output"].encode(), headers={"Content-Type": _TEXT})
        packed = await files.get(log_key(str(job["id"]))) if job.get("log_file_size") else None
        if packed is None:
            return None
        return web.Response(body=packed, headers={"Content-Type": _TEXT, "Content-Encoding": "gzip"})

    async def get_job_log(call: Call, params: JobLog) -> web.Response:
        job = await archive.get(params.id)
        if job is None:
            raise NotFound(f"Failed to locate job: {params.id}")
        call.account.require_job(job)
        return await stored(job) or web.Response(status=204)

    async def by_token(params: JobLogByToken, *, attachment: bool) -> web.Response:
        if not tokens.matches(params.t, tokens.log_token(params.id, settings.secret_key)):
            return web.Response(status=403, text="403 Forbidden")
        active = office.engine.book.get(params.id)
        name = f"OpsOrbit-Job-Log-{params.id}.txt"
        if active is not None:
            output = office.engine.logs.read(params.id)
            name = f"OpsOrbit-Partial-Job-Log-{params.id}.txt"
            response = web.Response(body=output, headers={"Content-Type": _TEXT}) if output else None
        else:
            job = await archive.get(params.id)
            response = await stored(job) if job else None
        if response is None:
            return web.Response(status=404, text="404 Not Found")
        if attachment:
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    async def view_job_log(call: Call, params: JobLogByToken) -> web.Response:
        return await by_token(params, attachment=False)

    async def download_job_log(call: Call, params: JobLogByToken) -> web.Response:
        return await by_token(params, attachment=True)

    async def tail_live_job_log(call: Call, params: Tail) -> Mapping[str, Any]:
        if not 1 <= params.bytes <= MAX_TAIL_BYTES:
            raise BadParameter(f"Malformed parameter value: bytes (1 to {MAX_TAIL_BYTES})")
        active = office.engine.book.get(params.id)
        if active is None:
            return {"text": ""}
        call.account.require_job(active.job)
        window = office.engine.logs.tail(params.id, params.bytes)
        if len(window) == params.bytes and office.engine.logs.size(params.id) > params.bytes:
            window = window[window.find(b"\n") + 1 :]
        return {"text": window.decode(errors="replace")}

    return (
        Endpoint(
            name="get_job_log", handler=get_job_log, params=JobLog, summary="The log of an ended job as text."
        ),
        Endpoint(
            name="view_job_log",
            handler=view_job_log,
            params=JobLogByToken,
            auth=Auth.TOKEN,
            summary="A job's log, partial while it runs, by token.",
        ),
        Endpoint(
            name="download_job_log",
            handler=download_job_log,
            params=JobLogByToken,
            auth=Auth.TOKEN,
            summary="A job's log as an attachment, by token.",
        ),
        Endpoint(
            name="tail_live_job_log",
            handler=tail_live_job_log,
            params=Tail,
            result=TailText,
            summary="The last lines of a running job's log.",
        ),
    )
