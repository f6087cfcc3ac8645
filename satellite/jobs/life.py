"""What is known of one attempt: the state that its steps read and change, without a step of its own.

    preparing ──journalled, files here, started──► running ──process ended──► ending ──drained──► finished
        └──────────── set-up failed, or aborted before the start ────────────────────────────────────▲

Everything happens on the event loop in reaction to an event: journal committed, tick, process ended, timer.
No task and no thread belongs to an attempt, so that thousands can run; files that it brings or leaves travel
in tasks of `transfers`.
"""

import asyncio
import subprocess
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from satellite.jobs.attempt_files import AttemptFiles
from satellite.jobs.directory import AbortRecord, JobDirectory
from satellite.jobs.ending import Style
from satellite.jobs.host import Host
from satellite.jobs.launch import AttemptKey, Launch
from satellite.jobs.limits import most_log
from satellite.jobs.lines import OutputLines
from satellite.jobs.output import Output
from satellite.jobs.report import PluginReport
from satellite.jobs.setup import style_of
from satellite.jobs.shipping import Shipping
from satellite.jobs.termination import Termination
from satellite.jobs.usage import Usage
from shared.clock import Seconds, now
from shared.protocol.messages import HeldState, MetaRow

_MOST_META_ROWS = 1000


class Phase(Enum):
    PREPARING = auto()
    RUNNING = auto()
    ENDING = auto()
    FINISHED = auto()


class Life:
    """`noted` hears of each row of the meta log, `grew` of new log, `ended` of the result."""

    def __init__(
        self,
        launch: Launch,
        host: Host,
        noted: Callable[[MetaRow], None],
        grew: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.key: AttemptKey = launch.key
        self.launch = launch
        self.host = host
        self.phase = Phase.PREPARING
        self.directory = JobDirectory(host.jobs, self.key)
        self.report = PluginReport(self.key.id)
        self.usage = Usage()
        self.shipping = Shipping()
        self.style = style_of(launch)
        self.meta: list[MetaRow] = []
        self.result: dict[str, Any] | None = None
        self.output: Output | None = None
        self.pid = 0
        self.started: Seconds = 0.0
        """Monotonic, of the process: a satellite that was restarted does not give it more time."""
        self.child: subprocess.Popen[bytes] | None = None
        """The shim, where this satellite started it."""
        self.abort: AbortRecord | None = None
        self.lost = False
        self.has_stdin = False
        self.out_of_memory_before: int | None = None
        self.files = AttemptFiles(launch, self.directory, host, self.note)
        self.termination: Termination | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.grew = grew
        self.ended = ended
        self._noted = noted

    @property
    def runner(self) -> bool:
        """A remote runner measures and uploads itself, and is alone responsible for what it started."""
        return bool(self.launch.job.get("runner"))

    @property
    def log_size(self) -> int:
        return self.output.size if self.output else 0

    @property
    def state(self) -> HeldState:
        if self.phase is Phase.PREPARING:
            return HeldState.TAKEN
        if self.phase is Phase.FINISHED:
            return HeldState.LOST if self.lost else HeldState.FINISHED
        return HeldState.RUNNING

    @property
    def kill_policy(self) -> str:
        return "parent" if self.runner else str(self.launch.job.get("kill") or "parent")

    def note(self, key: str, text: str) -> None:
        """Add a row to the job's meta log. `key` is unique in the attempt and the same after a restart."""
        if len(self.meta) >= _MOST_META_ROWS:
            return
        row = MetaRow(id=f"m{self.key.id}_{self.key.attempt}_{key}", epoch=now(), msg=text)
        self.meta.append(row)
        self._noted(row)

    def open_output(self) -> Output:
        """Raises OSError."""
        params = self.launch.job.get("params")
        given = params if isinstance(params, dict) else {}
        shell = self.style is Style.SHELL
        if shell and given.get("pass"):
            self.report.pass_on(self.launch.details.get("input"))
        lines = OutputLines(
            self.report,
            self.note,
            percent=shell,
            stamp=_stamp if shell and given.get("annotate") else None,
            legacy=bool(self.host.config.settings.cronicle),
        )
        most = most_log(self.launch.job, self.host.config.settings.max_output_bytes)
        self.output = Output(self.directory, lines, most)
        return self.output

    def forget_stdin(self) -> None:
        self.directory.forget_stdin()
        self.has_stdin = False

    def later(self, delay: Seconds, step: Callable[..., None], *arguments: Any) -> None:
        """At most one step waits."""
        self.timer = self.host.loop.call_later(delay, step, *arguments)

    def cancel_timers(self) -> None:
        if self.termination is not None:
            self.termination.cancel()
        if self.timer is not None:
            self.timer.cancel()
        self.files.cancel()


def _stamp() -> bytes:
    return time.strftime("[%Y/%m/%d %H:%M:%S] ").encode()
