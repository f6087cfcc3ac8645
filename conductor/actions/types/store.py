"""Store Bucket: the job's output into a bucket (contract actions.md §6)."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed

SYNCS: Mapping[str, tuple[bool, bool]] = {
    "data": (True, False),
    "files": (False, True),
    "data_and_files": (True, True),
}
"""Whether data, and whether files are wanted."""


async def run(occasion: Occasion, means: Means) -> Result:
    if occasion.job is None:
        return failed("store", "Only a job's output can be stored.")
    buckets, action = means.ports.buckets, occasion.action
    bucket = means.around.find("buckets", action.get("bucket_id"))
    wanted = SYNCS.get(str(action.get("bucket_sync")))
    if bucket is None:
        return failed("store", f"Bucket not found: {action.get('bucket_id')}")
    if bucket.get("enabled") in (False, 0):
        return failed("store", f"Bucket is disabled: {bucket.get('title') or bucket['id']}")
    if wanted is None:
        return failed("store", f"Unknown bucket sync type: {action.get('bucket_sync')}")
    if buckets is None:
        return failed("store", "Buckets are not available.")
    details = occasion.job.details
    data = details.get("data") if wanted[0] else None
    files = matching(details.get("files"), action) if wanted[1] else []
    steps = await buckets.store(
        str(bucket["id"]), data=data if isinstance(data, dict) and data else None, files=files
    )
    title = bucket.get("title") or bucket["id"]
    return Result(0, f"Successfully stored in bucket: {title}", "\n".join(f"- {step}" for step in steps))


def matching(files: Any, action: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The file records whose name matches the action's glob."""
    glob = action.get("bucket_glob")
    pattern = glob if isinstance(glob, str) and glob else "*"
    return [
        one
        for one in (files if isinstance(files, list) else ())
        if isinstance(one, dict) and isinstance(one.get("path"), str)
        if fnmatchcase(str(one.get("filename") or ""), pattern)
    ]
