"""The two steps of a job's life that move files: its inputs before it starts, its outputs after it ended.

What has been uploaded is written down in the job's directory (`uploads`), so that a satellite that was
killed in between goes on with the next file.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from satellite.jobs.conductor_files import ConductorFiles, TransferError
from satellite.jobs.directory import JobDirectory
from satellite.jobs.environment import Account
from satellite.jobs.foreign_files import delete_as, read_as
from satellite.jobs.inputs import InputFile, shown_size
from satellite.jobs.outputs import OutputFile, located, parsed
from shared.clock import now
from shared.ids import short_id

Json = dict[str, Any]
Note = Callable[[str, str], None]
"""Adds a row to the job's meta log: (key, text)."""

_UPLOADS = "uploads"
_INPUTS = "inputs"

log = structlog.get_logger(__name__)


async def fetch_inputs(
    conductor: ConductorFiles,
    inputs: Sequence[InputFile],
    directory: JobDirectory,
    owner: Account | None,
    note: Note,
) -> str:
    """Put each file into the working directory; returns why it could not be done, or nothing.

    A file is complete, in our own folder, before the job's user can touch it. `owner`: who it then belongs to.
    """
    folder = Path(directory.file(_INPUTS))
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for number, file in enumerate(inputs):
            note(f"input{number}", f"Downloading file: {file.name} ({shown_size(file.size)})")
            arriving = folder / str(number)
            try:
                await conductor.download(file, arriving)
            except (TransferError, OSError) as error:
                return f"Setup Error: Error: Failed to download job file: {file.name}: {error}"
            if owner is not None:
                os.chown(arriving, owner.uid, owner.gid, follow_symlinks=False)
            os.replace(arriving, os.path.join(directory.work, file.name))
        folder.rmdir()
    except OSError as error:
        return f"Setup Error: {error.strerror or error}: {error.filename or ''}"
    return ""


async def send_outputs(
    conductor: ConductorFiles,
    entries: Sequence[Any],
    directory: JobDirectory,
    owner: Account | None,
    server_id: str,
    note: Note,
) -> list[Json]:
    """Upload what the entries name; returns the Files, also of an earlier satellite.

    What fails is left out and noted. `owner`: the job's user where that is another one than ours, with whose
    rights the files are then read.
    """
    wanted, warnings = parsed(entries)
    found, missing = await asyncio.to_thread(located, wanted, directory.work)
    done = _uploaded(directory)
    for number, warning in enumerate((*warnings, *missing)):
        if not any(entry["source"] in warning for entry in done):
            note(f"output_warning{number}", warning)
    sent = {entry["source"] for entry in done}
    files = [entry["file"] for entry in done]
    for number, file in enumerate(found):
        if file.path in sent:
            continue
        note(f"output{number}", f"Uploading file: {file.name}")
        try:
            key, size = await conductor.upload(
                directory.key.id,
                file.name,
                lambda path=file.path: _opened(path, owner),  # type: ignore[misc]
            )
        except (TransferError, OSError) as error:
            text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            note(f"output_failed{number}", f"WARNING: Failed to upload job file: {file.name}: {text}")
            continue
        entry = _file(file, key, size, directory.key.id, server_id)
        files.append(entry)
        with suppress(OSError):
            _write_down(directory, {"source": file.path, "file": entry})
        if file.delete:
            await _delete(file.path, owner)
    return files


def _file(file: OutputFile, key: str, size: int, job_id: str, server_id: str) -> Json:
    return {
        "id": file.id or short_id("f"),
        "date": int(now()),
        "filename": file.name,
        "path": key,
        "size": size,
        "server": server_id,
        "job": job_id,
    }


async def _opened(path: str, owner: Account | None) -> Any:
    """The content of a file as something to send. Raises OSError.

    Of a job that runs as another user a process of that user reads it: the path may be a link to what only
    we may see.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(2, "not a regular file", path)
    if owner is None:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return os.fdopen(descriptor, "rb")
    return await asyncio.to_thread(read_as, path, owner)


async def _delete(path: str, owner: Account | None) -> None:
    if owner is None:
        with suppress(OSError):
            os.unlink(path)
    else:
        await asyncio.to_thread(delete_as, path, owner)


def _uploaded(directory: JobDirectory) -> list[Json]:
    """What was uploaded before; a last line that was cut off counts as not uploaded."""
    try:
        text = Path(directory.file(_UPLOADS)).read_bytes()
    except OSError:
        return []
    found = []
    for line in text.split(b"\n")[:-1]:
        with suppress(msgspec.DecodeError):
            entry = msgspec.json.decode(line)
            if isinstance(entry, dict) and isinstance(entry.get("file"), dict):
                found.append({"source": str(entry.get("source")), "file": entry["file"]})
    return found


def _write_down(directory: JobDirectory, entry: Json) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(directory.file(_UPLOADS), flags, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(entry) + b"\n")
    finally:
        os.close(descriptor)
