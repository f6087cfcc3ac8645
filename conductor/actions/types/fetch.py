"""Fetch Bucket: a bucket's content into the job's input, files by reference (contract actions.md §6)."""

from typing import Any

from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed
from conductor.actions.types.store import SYNCS, matching


async def run(occasion: Occasion, means: Means) -> Result:
    job, buckets, action = occasion.job, means.ports.buckets, occasion.action
    if job is None:
        return failed("fetch", "Only a job has an input.")
    bucket = means.around.find("buckets", action.get("bucket_id"))
    wanted = SYNCS.get(str(action.get("bucket_sync")))
    if bucket is None:
        return failed("fetch", f"Bucket not found: {action.get('bucket_id')}")
    if bucket.get("enabled") in (False, 0):
        return failed("fetch", f"Bucket is disabled: {bucket.get('title') or bucket['id']}")
    if wanted is None:
        return failed("fetch", f"Unknown bucket sync type: {action.get('bucket_sync')}")
    if buckets is None:
        return failed("fetch", "Buckets are not available.")
    bucket_id, steps = str(bucket["id"]), []
    data = await buckets.data(bucket_id) if wanted[0] else None
    files = matching(await buckets.files(bucket_id), action) if wanted[1] else []
    given = job.details.get("input")
    given = dict(given) if isinstance(given, dict) else {}
    if wanted[0]:
        fetched: Any = {"items": data} if isinstance(data, list) else data or {}
        given["data"] = {**(given.get("data") or {}), **fetched}
        steps.append(f"- Fetched data: {len(fetched)} properties")
    if wanted[1]:
        ours = {one["path"]: {**one, "bucket": bucket_id} for one in files}
        kept = [
            one for one in given.get("files") or () if isinstance(one, dict) and one.get("path") not in ours
        ]
        given["files"] = [*kept, *ours.values()]
        steps += [f"- Fetched file: {one.get('filename')}" for one in files] or ["- No file matches"]
    job.set_details(input=given)
    return Result(0, f"Successfully fetched bucket: {bucket.get('title') or bucket_id}", "\n".join(steps))
