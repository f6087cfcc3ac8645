"""Files of a job that runs as another user, touched with that user's rights alone.

A job chooses its own output paths, links among them. A satellite that runs as root must neither show a job what
its user cannot read nor delete what its user cannot: a process of that user does both.
"""

import asyncio
import errno
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from satellite.jobs.environment import Account
from shared.clock import Seconds

_CHUNK_BYTES = 256 * 1024
_PATIENCE: Seconds = 60.0
"""For one chunk: what the path leads to may be a pipe that nobody writes into."""


def read_as(path: str, owner: Account) -> AsyncIterator[bytes]:
    """Start to read; raises OSError where the user may not. Blocks for as long as a process takes to start."""
    if subprocess.run(["test", "-r", path], check=False, timeout=_PATIENCE, **_as_user(owner)).returncode:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return _chunks(
        subprocess.Popen(["cat", "--", path], stdout=subprocess.PIPE, **_as_user(owner)),
    )


def delete_as(path: str, owner: Account) -> None:
    """Delete it if the user may. Blocks."""
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["rm", "-f", "--", path], check=False, timeout=_PATIENCE, **_as_user(owner))


async def _chunks(process: "subprocess.Popen[bytes]") -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101
    stream = process.stdout
    try:
        while True:
            async with asyncio.timeout(_PATIENCE):
                chunk = await asyncio.to_thread(stream.read1, _CHUNK_BYTES)  # type: ignore[attr-defined]
            if not chunk:
                break
            yield chunk
        if await asyncio.to_thread(process.wait):
            raise OSError(errno.EIO, "it could not be read to its end")  # half a file must not arrive
    finally:
        process.kill()
        process.wait()
        stream.close()


def _as_user(owner: Account) -> dict[str, Any]:
    return {
        "user": owner.uid,
        "group": owner.gid,
        "extra_groups": os.getgrouplist(owner.name, owner.gid),
        "cwd": "/",
        "stdin": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
