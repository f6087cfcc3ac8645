"""kill -9 of the conductor and of the satellite at every named point of a job's life (durability.md)."""

from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.chaos.cluster import cluster, fault_points, revived
from tests.processes import ApiError, eventually

ROOT = Path(__file__).resolve().parents[2]
CONDUCTOR_POINTS = (
    "conductor.accept",
    "conductor.accepted",
    "conductor.assigned",
    "conductor.sent",
    "conductor.files",
    "conductor.finishing",
    "conductor.sql",
    "conductor.settled",
    "conductor.acknowledged",
)
EVENT_LOG_POINTS = ("conductor.outbox", "conductor.told")
"""Reached once for many changes at a time: by jobs that leave no record, and by jobs that last."""

MULTIPLEX_POINTS = ("conductor.fanned_out",)
"""Reached by multiplex jobs alone: see test_job_engine."""
ACTION_POINTS = (
    "conductor.action_begun",
    "conductor.action_done",
    "conductor.action_ran",
    "conductor.decided",
)
"""Reached by jobs with actions alone: `test_job_engine_actions` dies at them."""
SCHEDULE_POINTS = ("conductor.due", "conductor.fired")
"""Reached by what fires by itself: tests/chaos/test_job_engine_schedule.py."""
WORKFLOW_POINTS = ("conductor.workflow",)
"""Reached by workflows alone: see test_workflow."""
ALERT_POINTS = ("conductor.alert_fired", "conductor.alert_actions_ran")
"""Reached by an alert alone: `tests/acceptance/test_alerts.py` dies at them."""
LIMIT_POINTS = ("conductor.limit_begun",)
"""Reached by a limit that tells somebody: `test_job_engine_actions` dies at it."""
TICKET_POINTS = ("conductor.ticket_stored", "conductor.ticket_mailed")
"""Reached by tickets alone: `test_tickets` dies at them."""
SATELLITE_POINTS = (
    "satellite.taken",
    "satellite.started",
    "satellite.running",
    "satellite.exit",
    "satellite.result_sent",
)
ROTATION_POINTS = ("rotation.staged", "rotation.sealed", "rotation.committed", "rotation.promoted")
"""Of a change of the secret key: tests/integration/cli/test_rotation.py."""

pytestmark = pytest.mark.timeout(120)


def test_every_point_of_the_code_is_covered_here() -> None:
    sources = [*(ROOT / "conductor").rglob("*.py"), *(ROOT / "satellite").rglob("*.py")]
    covered = (
        *CONDUCTOR_POINTS,
        *EVENT_LOG_POINTS,
        *MULTIPLEX_POINTS,
        *ACTION_POINTS,
        *SCHEDULE_POINTS,
        *WORKFLOW_POINTS,
        *ALERT_POINTS,
        *TICKET_POINTS,
        *LIMIT_POINTS,
        *SATELLITE_POINTS,
        *ROTATION_POINTS,
    )
    assert fault_points(sources) == sorted(covered)


@pytest.mark.parametrize("point", CONDUCTOR_POINTS)
async def test_the_conductor_dies_at(point: str, tmp_path: Path) -> None:
    async with cluster(tmp_path, conductor_fault=f"{point}:3") as running:
        await running.create_event(lines=5, pause=0.02)
        async with revived(running.conductor):
            await running.promise_many(6)
            await running.settled()
        assert (tmp_path / "conductor-died").exists(), "the point was never reached"


@pytest.mark.parametrize("point", EVENT_LOG_POINTS)
async def test_the_conductor_dies_with_events_in_the_log_and_still_in_the_book(
    point: str, tmp_path: Path
) -> None:
    """They are taken into the event log again, and are there once."""
    async with cluster(tmp_path, conductor_fault=f"{point}:1") as running:
        await running.create_event(lines=5, pause=0.2, ephemeral=point == "conductor.outbox")
        async with revived(running.conductor):
            jobs = await running.promise_many(6)

            async def told() -> bool:
                for job_id in jobs:
                    path = f"/api/v1/events/resource/automation_run/{job_id}"
                    try:
                        answer = msgspec.json.decode(await running.client.fetch(path))
                    except (aiohttp.ClientError, ApiError):
                        return False  # it is dying, or coming back
                    types = [one["eventType"] for one in answer["events"]]
                    if sorted(types) != ["job.accepted", "job.started", "job.succeeded"]:
                        return False
                return True

            await eventually(told, "each job's events are in the log, once", 60)
        assert (tmp_path / "conductor-died").exists(), "the point was never reached"


@pytest.mark.parametrize("point", SATELLITE_POINTS)
async def test_the_satellite_dies_at(point: str, tmp_path: Path) -> None:
    async with cluster(tmp_path, satellite_fault=f"{point}:3") as running:
        await running.create_event(lines=5, pause=0.02)
        async with revived(running.satellite):
            await running.promise_many(6)
            await running.settled()
        assert (tmp_path / "satellite-died").exists(), "the point was never reached"
