"""Files: uploads, downloads by path, files of jobs (contract api/files.yaml)."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.announcer import Signals
from conductor.api import credentials
from conductor.api.call import Call
from conductor.api.content_types import attachment, content_type, is_active
from conductor.api.endpoint import Auth, DefinitionId, Endpoint, NoParams, Takes, Text
from conductor.api.file_answer import bare, send
from conductor.api.office import Office
from conductor.api.signed_urls import Signed, UrlSigner
from conductor.api.told import activity
from conductor.errors import AccessDenied, BadParameter, NotFound, Refusal
from conductor.filing.bucket_access import require_bucket
from conductor.filing.durations import expiry, zone
from conductor.filing.job_files import JobFiles
from conductor.filing.limits import job_uploads
from conductor.filing.places import ROOT, Place, needs_credentials, place, storage_key
from conductor.filing.user_files import UserFiles
from conductor.fleet.credentials import Credentials as SatelliteCredentials
from conductor.fleet.roster import Roster
from conductor.records.files import Files, safe_key
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings
from shared import clock
from shared.protocol import tokens

_DEFAULT_URL_SECONDS = 3600
_OWN_NAME = ("", "1", "0", "True", "False")
_LONGEST_URL_SECONDS = 30 * 86_400


BucketOf = Callable[[str], Mapping[str, Any] | None]
"""The definition of a bucket by its ID, None for an unknown one."""


class FileRequest(Signed, kw_only=True):
    path: str = ""
    """Relative to `files/`; goes before what follows in the URL."""
    download: str | int | bool = ""
    """`1`: as an attachment under its own name; else under this name."""


class JobFileUpload(msgspec.Struct, kw_only=True):
    id: DefinitionId
    auth: str = ""
    """A server's or job's token, or an API key; not needed beside other credentials."""
    server: str = ""


class JobFilePath(msgspec.Struct, kw_only=True):
    id: DefinitionId
    path: Text


class UrlRequest(msgspec.Struct, kw_only=True):
    path: str = ""
    """Storage path of a file, `files/…`."""
    job: str = ""
    """ID of a job: the URL then opens its log."""
    expires: int = _DEFAULT_URL_SECONDS
    """Seconds, at most 30 days."""
    download: str | int | bool = ""


class Urls(msgspec.Struct, kw_only=True):
    urls: list[str]


class UploadedInputs(msgspec.Struct, kw_only=True):
    files: list[dict[str, Any]]


class StoredFile(msgspec.Struct, kw_only=True):
    key: str
    size: int


class SignedUrl(msgspec.Struct, kw_only=True):
    url: str
    expires: int


class Door:
    """Who may fetch what, and who may file what for a job."""

    def __init__(
        self,
        office: Office,
        archive: JobArchive,
        bucket: BucketOf,
        roster: Roster,
        accounts: Accounts,
        satellites: SatelliteCredentials,
        settings: Settings,
    ) -> None:
        self._satellites = satellites
        self._office = office
        self._archive = archive
        self._bucket = bucket
        self._roster = roster
        self._accounts = accounts
        self._settings = settings

    async def require(self, account: Account, where: Place) -> None:
        """Raise AccessDenied unless the account may see what the file belongs to."""
        if where.kind == "bucket":
            bucket = self._bucket(where.owner)
            if bucket is not None:
                require_bucket(account, bucket)
        elif where.kind == "job" and account.limited:
            job = await self.job(where.owner)
            if job is None:
                raise AccessDenied(f"You may not see files of job {where.owner}.")
            account.require_job(job)

    async def job(self, job_id: str) -> Mapping[str, Any] | None:
        active = self._office.engine.book.get(job_id)
        return active.job if active is not None else await self._archive.get(job_id)

    async def filer(self, call: Call, job_id: str, auth: str, server: str) -> str:
        """The acting user's name, empty for a satellite, of who may file something for this job.

        Raises Refusal `auth`, AccessDenied, or what credentials raise (files.yaml, upload_job_file).
        """
        if auth:
            if server:
                if self._satellites.signed(server, auth, job_id) and server in self._roster.online:
                    job = await self.job(job_id)
                    if job is None or job.get("server") in (None, "", server):
                        return ""
            elif any(
                tokens.matches(auth, tokens.job_token(job_id, key)) for key in self._settings.secret_keys()
            ):
                return ""
        if call.credentials.session_id or call.credentials.api_key:
            account: Account | None = await call.require_account()
        else:
            account = await self._accounts.api_key(auth, call.trusted_address) if auth else None
        if account is None:
            raise Refusal("auth", "Authentication failure")
        account.require("run_jobs")
        job = await self.job(job_id)
        if job is not None:
            account.require_job(job)
        return account.name


def endpoints(
    files: Files,
    job_files: JobFiles,
    user_files: UserFiles,
    door: Door,
    signals: Signals,
    settings: Settings,
) -> tuple[Endpoint[Any], ...]:
    tz = zone(settings.tz)
    signer = UrlSigner(settings)
    of_jobs = job_uploads(settings.client)

    async def file(call: Call, params: FileRequest) -> web.StreamResponse:
        path = params.path or call.path_rest.strip("/")
        if not path:
            return bare(400, "400 Bad Request")
        key = storage_key(f"{ROOT}{path}")
        if key is None:
            return bare(404, "404 Not Found")
        where = place(key)
        browser = "Sec-Fetch-Mode" in call.request.headers
        public = not needs_credentials(where, settings.file_access, browser=browser)  # type: ignore[arg-type]
        if not public and not signer.opens(key, params):
            if not where.secret and not (call.credentials.session_id or call.credentials.api_key):
                return bare(404, "404 Not Found")  # who guesses is not even told that a login would help
            account = await call.require_account()
            await door.require(account, where)
        stat = await files.stat(key)
        if stat is None and key != (lowered := safe_key(key)):
            key, stat = lowered, await files.stat(lowered)  # as the original stored it
        if stat is None:
            return bare(404, "404 Not Found")
        name = key.rpartition("/")[2]
        headers = {
            "Content-Type": content_type(name),
            "Cache-Control": f"{'public' if public else 'private'}, max-age=0",
        }
        if params.download or is_active(name):
            shown = str(params.download)
            headers["Content-Disposition"] = attachment(shown if shown not in _OWN_NAME else name)
        return await send(call.request, files, key, stat, headers)

    async def upload_files(call: Call, params: NoParams) -> Mapping[str, Any]:
        _require_files(call, "file")
        expires = expiry(clock.now(), settings.file_expiration, tz)
        keys = await user_files.store(call.files, call.account.name, expires)
        return {"urls": [f"{settings.base_app_url}/{key}" for key in keys]}

    async def upload_job_input_files(call: Call, params: NoParams) -> Mapping[str, Any]:
        _require_files(call, "file")
        expires = expiry(clock.now(), of_jobs.user_file_expiration, tz)
        return {"files": await job_files.add_inputs(call.files, call.account.name, expires)}

    async def admit_job_file(call: Call, fields: Mapping[str, Any]) -> None:
        """A token that came before the file is checked before the file is taken in."""
        given = {**fields, **call.query}
        call.credentials = credentials.shown(call.request, {}, {}, call.trusted_address)
        job_id, auth, server = (str(given.get(name) or "") for name in ("id", "auth", "server"))
        if auth:
            await door.filer(call, job_id, auth, server)

    async def upload_job_file(call: Call, params: JobFileUpload) -> Mapping[str, Any]:
        if not params.auth and not (call.credentials.session_id or call.credentials.api_key):
            raise BadParameter("Missing parameter: auth")
        username = await door.filer(call, params.id, params.auth, params.server)
        upload = next((one for one in call.files if one.field == "file1"), None)
        if upload is None:
            raise Refusal("job", "No file was uploaded as file1")
        stored = await job_files.add_output(
            params.id, upload, server=params.server, username=username, media_type=upload.type
        )
        return {"key": stored["path"], "size": stored["size"]}

    async def delete_job_file(call: Call, params: JobFilePath) -> Mapping[str, Any]:
        job = await door.job(params.id)
        if job is None:
            raise Refusal("job", f"Job not found: {params.id}")
        call.account.require_job(job)
        if not job.get("final"):
            raise Refusal("job", f"Job is still active: {params.id}")
        made = activity(
            call,
            "job_delete_file",
            params.id,
            {"path": params.path},
            keywords=(params.id,),
            resource=("job", params.id),
        )
        await job_files.delete_file(params.id, params.path, signals.events(made))
        signals.publish_logged(made)
        return {}

    async def get_signed_url(call: Call, params: UrlRequest) -> Mapping[str, Any]:
        seconds = min(max(params.expires, 1), _LONGEST_URL_SECONDS)
        if params.job:
            job = await door.job(params.job)
            if job is None:
                raise NotFound(f"Failed to locate job: {params.job}")
            call.account.require_job(job)
            query, expires = signer.query(f"logs/jobs/{params.job}", seconds)
            name = "download_job_log" if params.download else "view_job_log"
            url = f"{settings.base_app_url}/api/app/{name}/v1?id={params.job}&{query}"
            return {"url": url, "expires": expires}
        key = storage_key(params.path)
        if key is None or not key.startswith(ROOT):
            raise BadParameter("Malformed parameter: path")
        await door.require(call.account, place(key))
        if await files.stat(key) is None:
            raise NotFound(f"File not found: {key}")
        query, expires = signer.query(key, seconds)
        return {"url": f"{settings.base_app_url}/{key}?{query}", "expires": expires}

    return (
        Endpoint(
            name="file",
            handler=file,
            params=FileRequest,
            auth=Auth.NONE,
            methods=("GET", "HEAD"),
            summary="A stored file, whole or a range of it; also as /files/PATH.",
        ),
        Endpoint(
            name="upload_files",
            handler=upload_files,
            params=NoParams,
            result=Urls,
            methods=("POST",),
            takes=Takes.NONE,
            mutates=True,
            uploads=user_files.rules,
            summary="Store files; answers their URLs.",
        ),
        Endpoint(
            name="upload_job_input_files",
            handler=upload_job_input_files,
            params=NoParams,
            result=UploadedInputs,
            methods=("POST",),
            takes=Takes.NONE,
            mutates=True,
            privilege="run_jobs",
            uploads=job_files.input_rules,
            summary="Store files that run_event can give to a job.",
        ),
        Endpoint(
            name="upload_job_file",
            handler=upload_job_file,
            params=JobFileUpload,
            result=StoredFile,
            methods=("POST",),
            auth=Auth.TOKEN,
            mutates=True,
            empty_files=True,
            uploads=job_files.rules,
            admit=admit_job_file,
            summary="A file that a job has made, from its satellite.",
        ),
        Endpoint(
            name="delete_job_file",
            handler=delete_job_file,
            params=JobFilePath,
            privilege="delete_jobs",
            mutates=True,
            summary="Delete one file of an ended job.",
        ),
        Endpoint(
            name="get_signed_url",
            handler=get_signed_url,
            params=UrlRequest,
            result=SignedUrl,
            summary="A URL that opens a file, or a job's log, without credentials for a while.",
        ),
    )


def _require_files(call: Call, code: str) -> None:
    if not call.files:
        raise Refusal(code, "No files were uploaded")
