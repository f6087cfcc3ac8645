"""Containers of this host (contract monitor_data.md §3.11), as `docker stats` tells of them."""

import asyncio
import re
import shutil
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog

from shared.clock import Seconds

LIMIT: Seconds = 10.0
_MOST_BYTES = 4 * 1024 * 1024
_SIZE = re.compile(r"([\d.]+)\s*([kKMGTP]?)(i?)B?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}

Json = dict[str, Any]

log = structlog.get_logger(__name__)


def installed() -> bool:
    return shutil.which("docker") is not None


async def containers(command: str = "docker", limit: Seconds = LIMIT) -> Json | None:
    """`{containers, totals}`; None without containers, or when docker fails or does not answer in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            command, "stats", "--no-stream", "--format", "json",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_MOST_BYTES,
        )  # fmt: skip
    except OSError:
        return None
    try:
        async with asyncio.timeout(limit):
            output, _ = await process.communicate()
    except TimeoutError:
        log.warning("docker does not tell of its containers in time", seconds=limit)
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return None if process.returncode else parse(output.decode(errors="replace").splitlines())


def parse(lines: Iterable[str]) -> Json | None:
    """Lines of JSON, one a container. What is no number is 0."""
    found = []
    for line in lines:
        try:
            row = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(row, dict):
            found.append(_container({key: str(value) for key, value in row.items()}))
    if not found:
        return None
    totals = {
        name: round(sum(container[key] for container in found), 2)
        for name, key in (
            ("cpu", "cpu"), ("mem", "mem_usage"), ("net", "net_total"), ("disk", "disk_total"), ("pids", "pids"),
        )
    }  # fmt: skip
    return {"containers": found, "totals": totals}


def _container(row: dict[str, str]) -> Json:
    used, limit = _pair(row.get("MemUsage", ""))
    read, written = _pair(row.get("BlockIO", ""))
    received, sent = _pair(row.get("NetIO", ""))
    return {
        "id": row.get("ID") or row.get("Container", ""),
        "name": row.get("Name", ""),
        "cpu": _number(row.get("CPUPerc", "")),
        "pids": int(_number(row.get("PIDs", ""))),
        "mem_usage": used,
        "mem_total": limit,
        "disk_read": read,
        "disk_write": written,
        "disk_total": read + written,
        "net_read": received,
        "net_write": sent,
        "net_total": received + sent,
    }


def _pair(text: str) -> tuple[int, int]:
    first, _, second = text.partition("/")
    return size(first), size(second)


def size(text: str) -> int:
    """Bytes of `1.5MiB` (binary) or `1.5MB` (decimal)."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return 0
    return int(_number(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])


def _number(text: str) -> float:
    try:
        return float(text.strip().rstrip("%"))
    except ValueError:
        return 0.0
