"""Export, import and deletion of everything (contract platform.md §17, api/admin.yaml)."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from conductor.access.accounts import Credentials
from conductor.administration import day
from conductor.administration.backup import selection
from conductor.administration.backup.importing import data_lines, lines_of
from conductor.administration.house import Administration
from conductor.administration.internal_jobs import BUSY, InternalJob
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.search import Flag, flag
from conductor.api.streams import attachment
from conductor.errors import Refusal, Unavailable
from shared import clock, ids
from shared.schema.reserved import RESERVED_WORDS

Json = dict[str, Any]

_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between attempts to take an import back while the database is away."""
_BREATHER = 50
"""Lines after which an import lets others have the event loop."""


class ImportQuery(msgspec.Struct, kw_only=True):
    danger: Flag = False
    """Nothing is brought to rest before."""
    dry_run: Flag = False
    """Of ours: everything is read and reported, nothing is stored."""
    merge: Flag = False
    """Of ours: lists keep what the file has not."""


class DeleteItems(msgspec.Struct, kw_only=True):
    items: Any = None


class Backup:
    def __init__(self, house: Administration) -> None:
        self._house = house

    async def get_transfer_token(self, call: Call, params: NoParams) -> Json:
        bound = {key: value for key, value in call.body.items() if key not in RESERVED_WORDS}
        return {"token": self._house.tokens.issue(call.credentials.session_id, bound)}

    async def export(self, call: Call, params: NoParams) -> web.StreamResponse:
        """Credentials come with the request, or with a token that an administrator's browser has asked for."""
        house, asked = self._house, dict(call.params)
        if token := asked.pop("token", ""):
            redeemed = house.tokens.redeem(str(token))
            if redeemed is None:
                raise Refusal("admin", "Invalid or expired transfer token.")
            session_id, bound = redeemed
            call.credentials = Credentials(session_id=session_id, csrf_token=call.credentials.csrf_token)
            asked |= bound
        account = await call.require_account()
        account.require("bulk_export")
        items = selection.selected(asked)
        selection.require_admin_for(items, admin=account.admin)
        date = day.date(clock.now(), house.settings.tz).replace("/", "-")
        name = f"xyops-data-export-{date}-{ids.short_id('x')}.txt.gz"
        done = asyncio.Event()

        async def shown(job: InternalJob) -> None:
            await done.wait()

        house.jobs.start(
            "Custom bulk data export", "maint", shown, username=account.name, actor=account.actor(call.ips)
        )
        try:
            lines = house.export.stream(items)
            return await attachment(call, lines, name=name, kind="application/gzip", compress=True)
        finally:
            done.set()

    async def import_data(self, call: Call, params: ImportQuery) -> Mapping[str, Any]:
        house = self._house
        if not call.files:
            raise Refusal("admin", "No file was uploaded.")
        kind = str(call.query.get("format") or call.body.get("format") or "xyops")
        if kind not in ("xyops", "cronicle"):
            raise Refusal("admin", f"Files of this format cannot be imported: {kind[:40]}")
        if house.jobs.exclusive:
            raise Refusal("admin", BUSY)
        upload = call.files[0]
        house.staging.mkdir(parents=True, exist_ok=True)
        staged = house.staging / f"import-{ids.short_id('x')}"
        await asyncio.to_thread(shutil.move, str(upload.path), staged)
        remarks: list[str] = []
        try:
            if kind == "cronicle":
                remarks = await self._converted(staged, call.account.name)
            total = await asyncio.to_thread(data_lines, staged)
            dry_run = flag(params.dry_run)
            reason = "" if flag(params.danger) or dry_run else "Aborted for a bulk data import"
            actor = call.actor

            async def work(job: InternalJob) -> None:
                try:
                    if not dry_run:
                        await house.interrupt(reason, actor, job)
                        if await house.journal.any():
                            await house.take_back()
                    await self._import(job, staged, total, dry_run=dry_run, merge=flag(params.merge))
                    if remarks:
                        listed = "\n".join(f"- {remark}" for remark in remarks)
                        job.details = f"{job.details}\n\n### Not migrated\n\n{listed}"
                except BaseException:
                    if not dry_run:
                        await self._take_back(job)
                    raise
                finally:
                    staged.unlink(missing_ok=True)

            job_id = house.jobs.start(
                "Custom bulk data import",
                "maint",
                work,
                username=call.account.name,
                actor=actor,
                exclusive=True,
                email=self._email(call),
                params={"file": upload.name, "size": upload.size, "dry_run": dry_run},
            )
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return {"id": job_id}

    async def _converted(self, file: Path, username: str) -> list[str]:
        """The file turned from Cronicle's form into ours, in its place; what was not migrated. Raises Refusal."""
        ours = file.with_name(f"{file.name}.xybk")
        try:
            remarks = await self._house.from_cronicle(file, ours, username)
            ours.replace(file)
        finally:
            ours.unlink(missing_ok=True)
        return remarks

    async def _import(self, job: InternalJob, file: Path, total: int, *, dry_run: bool, merge: bool) -> None:
        importing = self._house.importing(dry_run=dry_run, merge=merge)
        report = importing.report
        lines = lines_of(file)
        try:
            while batch := await asyncio.to_thread(_some, lines):
                for number, line in batch:
                    await importing.line(number, line)
                job.progress(report.lines / total)
                await asyncio.sleep(0)
        except (OSError, EOFError) as error:
            raise Refusal("admin", f"The file cannot be read to its end: {error}") from None
        finally:
            job.stats = report.counters()
        await importing.finish()
        if not dry_run:
            await self._house.reload()
            await self._house.journal.clear()  # from here on it has happened
        job.stats = report.counters()
        job.details = f"{job.details}\n\n{report.markdown()}".strip()

    async def _take_back(self, job: InternalJob) -> None:
        """An import has failed, or was aborted: nothing of it stays. When the term is over the next one sees to it."""
        for pause in _PAUSES:
            if not self._house.jobs.open:
                return
            try:
                count = await self._house.take_back()
            except Unavailable:
                await asyncio.sleep(pause)
            else:
                told = f"The import was not completed: its {count} changes were taken back."
                job.details = f"{job.details}\n\n{told}".strip()
                return
        job.details = (
            f"{job.details}\n\nThe import was not completed; what it changed is taken back when the database is there."
        ).strip()

    async def delete_data(self, call: Call, params: DeleteItems) -> Mapping[str, Any]:
        items = selection.items(params.items)
        actor, keep = call.actor, call.account.name

        async def work(job: InternalJob) -> None:
            await self._house.interrupt("", actor, job)
            report = []
            for number, item in enumerate(items):
                job.progress(number / len(items))
                try:
                    report.append(f"- {await self._delete(item, keep)}")
                except Refusal as refusal:
                    report.append(f"- {item.type} {item.key or item.index}: {refusal.description}")
            await self._house.reload()
            job.details = "\n".join(report)

        job_id = self._house.jobs.start(
            "Custom bulk data deletion",
            "maint",
            work,
            username=keep,
            actor=actor,
            exclusive=True,
            email=self._email(call),
        )
        return {"id": job_id}

    async def _delete(self, item: selection.Item, keep: str) -> str:
        """Delete one part; say what was."""
        house = self._house
        match item.type:
            case "list" if item.list_name == "stats":
                await house.statistics.replace_history([])
                return "statistics: deleted"
            case "list" if item.list_name in selection.NAMES and item.list_name != "users":
                return f"{item.list_name}: {await house.delete_list(item.list_name)} deleted"
            case "index":
                return f"{item.index}: {await house.sweeps.delete(item.index, item.query or '*')} deleted"
            case "users" | "bucketData" | "secretData" | "monitorData" | "bucketFiles" | "state":
                count = 0
                for prefix in _SECTIONS[item.type]:
                    section = house.sections.get(prefix)
                    if section is not None:
                        count += await section.clear(but=keep)
                return f"{item.type}: {count} deleted"
            case other:
                raise Refusal("admin", f"nothing of the kind {other[:40]} is kept here")

    def _email(self, call: Call) -> str:
        user = self._house.users.get(call.account.name) if call.account.kind == "user" else None
        return str(user.get("email", "")) if user else ""

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "get_transfer_token",
                self.get_transfer_token,
                NoParams,
                "A single-use token for a download",
                methods=("POST",),
                auth=Auth.ADMIN,
                takes=Takes.BODY,
                mutates=True,
            ),
            Endpoint(
                "admin_export_data",
                self.export,
                NoParams,
                "Everything that is asked for, as one file",
                auth=Auth.TOKEN,
            ),
            Endpoint(
                "admin_import_data",
                self.import_data,
                ImportQuery,
                "Store what an export holds",
                methods=("POST",),
                auth=Auth.ADMIN,
                mutates=True,
            ),
            Endpoint(
                "admin_delete_data",
                self.delete_data,
                DeleteItems,
                "Delete lists, records and files",
                methods=("POST",),
                auth=Auth.ADMIN,
                mutates=True,
            ),
        )


_SECTIONS = {
    "users": ("users/",),
    "bucketData": ("buckets/",),
    "bucketFiles": ("files/bucket/",),
    "secretData": ("secrets/",),
    "monitorData": ("hosts/", "timeline/"),
    "state": ("global/state",),
}


def _some(lines: Any) -> list[tuple[int, bytes]]:
    """The next lines, as many as are dealt with between two breaths, and not too many bytes of them."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for number, line in lines:
        batch.append((number, line))
        size += len(line)
        if len(batch) >= _BREATHER or size > 1024**2:
            break
    return batch
