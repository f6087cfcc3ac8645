"""Job logs: whole or a range, by token or signed URL, and the live tail (contract api/jobs.yaml)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from conductor.api.call import Call
from conductor.api.content_types import SECURITY
from conductor.api.endpoint import Auth, Endpoint
from conductor.api.file_answer import send, send_bytes
from conductor.api.job_tokens import JobTokens
from conductor.api.office import Office
from conductor.api.signed_urls import Signed, UrlSigner
from conductor.errors import BadParameter, NotFound
from conductor.jobs.finisher import log_key
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings

DEFAULT_TAIL_BYTES = 32_768
MAX_TAIL_BYTES = 1_048_576
_PART_BYTES = 256 * 1024

_TEXT = "text/plain; charset=utf-8"
_PRIVATE = "private, no-cache"


class JobLog(msgspec.Struct, kw_only=True):
    id: str


class JobLogByToken(Signed, kw_only=True):
    id: str
    t: str = ""
    """The log token that get_job returns; a signed URL carries other parameters instead."""


class Tail(msgspec.Struct, kw_only=True):
    id: str
    bytes: int = DEFAULT_TAIL_BYTES
    """Window from the end, 1 to 1048576."""


class TailText(msgspec.Struct, kw_only=True):
    text: str


def endpoints(
    office: Office, archive: JobArchive, files: Files, settings: Settings
) -> tuple[Endpoint[Any], ...]:
    signer, links = UrlSigner(settings), JobTokens(settings)

    async def stored(
        call: Call, job: Mapping[str, Any], more: Mapping[str, str] | None = None
    ) -> web.StreamResponse | None:
        """The log of an ended job; None when it has none. A range counts in what is sent: packed bytes."""
        headers = {"Content-Type": _TEXT, "Cache-Control": _PRIVATE, **(more or {})}
        if isinstance(job.get("output"), str):
            return send_bytes(call.request, job["output"].encode(errors="replace"), headers)
        key = log_key(str(job["id"]))
        stat = await files.stat(key) if job.get("log_file_size") else None
        if stat is None:
            return None
        return await send(call.request, files, key, stat, {**headers, "Content-Encoding": "gzip"})

    async def get_job_log(call: Call, params: JobLog) -> web.StreamResponse:
        job = await archive.get(params.id)
        if job is None:
            raise NotFound(f"Failed to locate job: {params.id}")
        call.account.require_job(job)
        return await stored(call, job) or web.Response(status=204)

    async def live(call: Call, job_id: str, headers: Mapping[str, str]) -> web.StreamResponse:
        """The log so far of a running job, a piece at a time: it can be larger than memory."""
        logs = office.engine.logs
        response = web.StreamResponse(headers={**SECURITY, "Content-Type": _TEXT, **headers})
        response.content_length = size = logs.kept(job_id)
        await response.prepare(call.request)
        if call.request.method == "HEAD":
            await response.write_eof()
            return response
        offset = 0
        while offset < size and (part := logs.part(job_id, offset, min(_PART_BYTES, size - offset))):
            await response.write(part)
            offset += len(part)
        if offset < size:
            response.force_close()  # it was archived meanwhile; its reader sees that it is not whole
        else:
            await response.write_eof()
        return response

    async def by_token(call: Call, params: JobLogByToken, *, attachment: bool) -> web.StreamResponse:
        if not params.t and not params.signature:
            raise BadParameter("Missing parameter: t")
        signed = signer.opens(f"logs/jobs/{params.id}", params)
        if not signed and not links.opens_log(params.id, params.t):
            return web.Response(status=403, text="403 Forbidden")
        active = params.id in office.engine.book
        name = f"OpsOrbit-{'Partial-' if active else ''}Job-Log-{params.id}.txt"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'} if attachment else {}
        if active and office.engine.logs.size(params.id):
            return await live(call, params.id, headers)
        job = None if active else await archive.get(params.id)
        if job and not signed and links.log_over(job):
            return web.Response(status=403, text="403 Forbidden")
        response = await stored(call, job, headers) if job else None
        return response or web.Response(status=404, text="404 Not Found")

    async def view_job_log(call: Call, params: JobLogByToken) -> web.StreamResponse:
        return await by_token(call, params, attachment=False)

    async def download_job_log(call: Call, params: JobLogByToken) -> web.StreamResponse:
        return await by_token(call, params, attachment=True)

    async def tail_live_job_log(call: Call, params: Tail) -> Mapping[str, Any]:
        if not 1 <= params.bytes <= MAX_TAIL_BYTES:
            raise BadParameter(f"Malformed parameter value: bytes (1 to {MAX_TAIL_BYTES})")
        active = office.engine.book.get(params.id)
        if active is None:
            return {"text": ""}
        call.account.require_job(active.job)
        window = office.engine.logs.tail(params.id, params.bytes)
        if len(window) == params.bytes and office.engine.logs.kept(params.id) > params.bytes:
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
