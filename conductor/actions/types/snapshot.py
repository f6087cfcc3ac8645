"""Take Snapshot of the job's or alert's server (contract actions.md §6)."""

from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed


async def run(occasion: Occasion, means: Means) -> Result:
    return await take(occasion, means)


async def take(occasion: Occasion, means: Means) -> Result:
    job, alert = occasion.job, occasion.alert
    server_id = job.server if job else str(alert.server.get("id") or "") if alert else ""
    if not server_id:
        return failed("snapshot", "There is no server to take a snapshot of.")
    if means.ports.snapshots is None:
        return failed("snapshot", "Snapshots are not available.")
    snapshot_id = await means.ports.snapshots.take_server(
        server_id,
        source="job" if job else "alert",
        job_id=job.id if job else "",
        alert_id=str(alert.invocation.get("id") or "") if alert else "",
        key=occasion.key,
        again=occasion.again,
    )
    return Result(0, f"Successfully took snapshot: {snapshot_id}", loc=f"#Snapshots?id={snapshot_id}")
