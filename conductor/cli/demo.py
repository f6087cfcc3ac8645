"""`opsorbit demo`: one conductor, one satellite, one real job, from nothing to an archived log.

Then this host's live monitors, and an alert that fires and clears.
"""

import asyncio
import contextlib
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from conductor.cli.client import ApiError, Client, Json
from conductor.cli.demo_job import event
from conductor.cli.demo_monitors import define_alert, show_monitors
from conductor.cli.demo_schedule import show_schedule
from conductor.cli.deployment import Deployment, deployed
from conductor.cli.processes import DEFAULT_PORT, ProcessError, free_port
from conductor.cli.view import JobView, View

JOB_TIMEOUT = 300.0
_LOG_WINDOW = 1024 * 1024
_LOG_POLL = 0.2
_FAILED = 1
_INTERRUPTED = 130


async def run_demo(*, leave: bool) -> int:
    """Run the demonstration; its data is temporary. Returns the exit status: the job's once it has run.

    With `leave` it ends after the job, else it stays up until Ctrl-C or SIGTERM.
    """
    view = View()
    work = asyncio.ensure_future(_demonstrate(view, leave=leave))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A later Ctrl-C must not break off the orderly stop that the first one began.
        loop.add_signal_handler(number, _cancel_once(work))
    try:
        return await work
    except asyncio.CancelledError:
        return _INTERRUPTED
    except (ProcessError, ApiError) as error:
        print(f"The demonstration failed: {error}", file=sys.stderr)
        return _FAILED


async def _demonstrate(view: View, *, leave: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="opsorbit-demo-") as folder:
        port = free_port(DEFAULT_PORT)
        async with deployed(Path(folder), port=port, step=view.step, prepare=define_alert) as deployment:
            async with Client(deployment.url, deployment.api_key) as client:
                job = await _run_job(client, view)
                view.result(_summary(job))
                status = _exit_status(job)
                await show_schedule(client, view, Path(folder))
                await show_monitors(client, deployment.server_id, view, brief=leave)
            if not leave:
                _invite(view, deployment, str(job["event"]))
                await _until_cancelled()
            view.step("Stopping")
        return status


async def _run_job(client: Client, view: View) -> Json:
    definition = (await client.call("create_event", **event()))["event"]
    view.step(f"Running the event “{definition['title']}” ({definition['id']})")
    job_id = str((await client.call("run_event", id=definition["id"]))["id"])
    try:
        async with asyncio.timeout(JOB_TIMEOUT):
            with view.job(job_id) as job_view:
                await _follow(client, job_id, job_view)
            return dict((await client.call("get_job", id=job_id))["job"])
    except BaseException:
        # The satellite stops right after this, and a job outlives its satellite.
        with contextlib.suppress(ApiError):
            await client.call("abort_job", id=job_id)
        raise


async def _follow(client: Client, job_id: str, view: JobView) -> None:
    """Show the log and the progress until the job is archived, then what of its log is still missing."""
    shown = 0

    def show(text: str) -> None:
        nonlocal shown
        lines = text[shown:].splitlines(keepends=True)
        for line in lines:
            view.log(line.rstrip())
        shown += sum(map(len, lines))

    async def tail() -> None:
        while True:
            text = (await client.call("tail_live_job_log", id=job_id, bytes=_LOG_WINDOW))["text"]
            show(text[: text.rfind("\n") + 1])
            await asyncio.sleep(_LOG_POLL)

    tailing = asyncio.ensure_future(tail())
    try:
        async for _, data in client.stream(job_id):
            if "progress" in data:
                view.progress(data["progress"])
            if "completed" in data and data.get("code") == 0:
                view.progress(1)
    finally:
        tailing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tailing
    show((await client.fetch("/api/app/get_job_log/v1", id=job_id)).decode(errors="replace"))


def _summary(job: Json) -> dict[str, str]:
    return {
        "code": str(job.get("code")),
        "description": str(job.get("description", "")),
        "elapsed": f"{float(job.get('elapsed') or 0):.1f} s",
        "cpu": _usage(job.get("cpu"), 1, "% of a core"),
        "memory": _usage(job.get("mem"), 1024 * 1024, "MB"),
        "log": f"{int(job.get('log_file_size') or 0)} bytes",
    }


def _usage(series: Any, divisor: int, unit: str) -> str:
    """Average and peak of a job's `{min, max, total, count, current}` series."""
    if not isinstance(series, dict) or not series.get("count"):
        return "not measured"
    average = series.get("total", 0) / series["count"] / divisor
    return f"{average:.1f} {unit} (peak {series.get('max', 0) / divisor:.1f})"


def _exit_status(job: Json) -> int:
    """The job's code as an exit status: 0 for success, a number as it is, 1 for a word such as `abort`."""
    code = job.get("code")
    if not code:
        return 0
    return code if isinstance(code, int) and 0 < code < 256 else _FAILED


def _invite(view: View, deployment: Deployment, event_id: str) -> None:
    view.access(
        {
            "API": f"{deployment.url}/api/app/",
            "user": f"admin, password {deployment.password}",
            "API key": deployment.api_key,
            "data": f"{deployment.conductor.data.parent} (removed at the end)",
        }
    )
    run = f"{deployment.url}/api/app/run_event/v1/wait?id={event_id}"
    view.command(
        "Run the event again, and wait for its result:",
        shlex.join(["curl", "-s", "-H", f"X-API-Key: {deployment.api_key}", run]),
    )
    view.step("Up until Ctrl-C")


async def _until_cancelled() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def _cancel_once(work: "asyncio.Future[int]") -> Any:
    cancelled = False

    def cancel() -> None:
        nonlocal cancelled
        if not cancelled:
            cancelled = True
            work.cancel()

    return cancel
