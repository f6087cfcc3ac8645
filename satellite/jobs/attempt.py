"""One attempt at a job, from its launch to the acknowledgement of its result.

    preparing ──journalled, started──► running ──process ended──► ending ──drained──► finished
        └──────────── set-up failed, or aborted before the start ────────────────────────▲

Everything happens on the event loop in reaction to an event: journal committed, tick, process ended, timer.
No task and no thread belongs to an attempt, so that thousands can run; files that it brings or leaves travel
in tasks of `transfers`.
"""

import asyncio
import subprocess
import time
from enum import Enum, auto
from typing import Any, Protocol

import structlog

from satellite import processes
from satellite.jobs import ending
from satellite.jobs.attempt_files import AttemptFiles
from satellite.jobs.directory import AbortRecord, JobDirectory
from satellite.jobs.ending import End, Style
from satellite.jobs.host import Host
from satellite.jobs.launch import AttemptKey, Launch
from satellite.jobs.limits import time_limit
from satellite.jobs.lines import OutputLines
from satellite.jobs.output import Output
from satellite.jobs.recovery import Found, find, is_alive
from satellite.jobs.report import PluginReport
from satellite.jobs.setup import Program, SetupError, prepare, style_of
from satellite.jobs.shipping import Shipping
from satellite.jobs.spawn import shim_in, spawn
from satellite.jobs.termination import Termination
from satellite.jobs.usage import Usage
from satellite.jobs.watch import ExitWatch
from shared import faults
from shared.clock import Seconds, monotonic, now
from shared.protocol.messages import HeldState, MetaRow
from shared.schema.jobs import ABORT

_FIRST_LOOK = 0.1
_NEXT_LOOK = 1.0
_DISK_RETRIES = 10
_MOST_META_ROWS = 1000
_QUOTED_ERRORS = 32 * 1024

log = structlog.get_logger(__name__)


class Phase(Enum):
    PREPARING = auto()
    RUNNING = auto()
    ENDING = auto()
    FINISHED = auto()


class Observer(Protocol):
    """Who hears of an attempt. Called on the loop; must not block."""

    def log_grew(self, attempt: "Attempt") -> None: ...

    def noted(self, attempt: "Attempt", row: MetaRow) -> None: ...

    def finished(self, attempt: "Attempt") -> None: ...


class Attempt:
    def __init__(self, launch: Launch, host: Host, watch: ExitWatch, observer: Observer) -> None:
        self.key: AttemptKey = launch.key
        self.launch = launch
        self.phase = Phase.PREPARING
        self.directory = JobDirectory(host.jobs, self.key)
        self.report = PluginReport()
        self.usage = Usage()
        self.shipping = Shipping()
        self.meta: list[MetaRow] = []
        self.result: dict[str, Any] | None = None
        self.output: Output | None = None
        self.pid = 0
        self.started: Seconds = 0.0
        """Monotonic."""
        self._style = style_of(launch)
        self._host = host
        self._watch = watch
        self._observer = observer
        self._program: Program | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._abort: AbortRecord | None = None
        self._termination: Termination | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._disk_failures = 0
        self._lost = False
        self._has_stdin = False
        self._files = AttemptFiles(launch, self.directory, host, self.note)

    # What others ask

    @property
    def log_size(self) -> int:
        return self.output.size if self.output else 0

    @property
    def state(self) -> HeldState:
        if self.phase is Phase.PREPARING:
            return HeldState.TAKEN
        if self.phase is Phase.FINISHED:
            return HeldState.LOST if self._lost else HeldState.FINISHED
        return HeldState.RUNNING

    @property
    def transferring(self) -> bool:
        """Its files are under way: it lives, although no process of it does."""
        return self._files.under_way

    def log_chunk(self, offset: int, length: int) -> bytes:
        return self.output.chunk(offset, length) if self.output else b""

    # Preparing

    def begin(self, *, journalled: bool = False) -> None:
        """Set up, journal, start. An attempt from before a restart is `journalled` already."""
        try:
            self._program = prepare(self.launch, self.directory, self._host)
            self._open_output()
        except SetupError as error:
            self._fail(str(error))
            return
        except Exception as error:
            # A launch of an impossible shape must end as a result, not as a job nobody hears of again.
            log.exception("set-up failed", job=self.key.id)
            self._fail(f"Setup Error: {error}")
            return
        for number, warning in enumerate(self._program.warnings):
            self.note(f"setup{number}", warning)
        if journalled:
            self._start(None)
        else:
            self._host.journal.take(self.key, self._start)

    def _start(self, failure: OSError | None) -> None:
        if self.phase is not Phase.PREPARING:
            return
        if failure is not None:
            self._fail(f"Setup Error: {failure.strerror}: the journal of jobs")
            return
        faults.reach("satellite.taken")
        if not self._files.fetch(self._fetched):
            self._spawn()

    def _fetched(self, failure: str) -> None:
        if self.phase is not Phase.PREPARING:
            return
        if failure:
            self._fail(failure)
        else:
            self._spawn()

    def _spawn(self) -> None:
        assert self._program is not None and self.output is not None  # noqa: S101, PT018
        try:
            shim = str(shim_in(self._host.data))
            self._child = spawn(shim, self.directory, self._program, self.output)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._fail(f"Child spawn error: {self.launch.job.get('command')}: {error}")
            return
        faults.reach("satellite.started")
        self._program = None
        self.launch.sec = {}
        self._has_stdin = True
        self._run(self._child.pid)
        self.note("spawned", f"Spawned child process: PID {self.pid}")

    def _run(self, pid: int) -> None:
        self.pid = pid
        self.phase = Phase.RUNNING
        self.started = monotonic()
        self._watch.watch(pid, self._process_ended)

    def _fail(self, description: str) -> None:
        self._conclude(ending.setup_result(description))

    # After a restart

    def recover(self, same_boot: bool) -> None:
        """Find out from the directory what became of it, and go on from there."""
        self._abort = self.directory.read_abort()
        if self._abort is not None:
            self.report.closed = True
        found = find(self.directory, same_boot=same_boot)
        if found is Found.NEVER_STARTED:
            self._begin_again()
            return
        try:
            output = self._open_output()
        except OSError:
            # After a power loss the journal can know an attempt whose directory never reached the disk.
            self._lost = True
            self._conclude(ending.lost_result())
            return
        self._has_stdin = True
        output.recover()
        witness = self.directory.read_started()
        self.pid = witness.pid if witness and same_boot else 0
        if found is Found.UNCLEAR:
            self.phase = Phase.RUNNING
            self._timer = self._host.loop.call_later(_NEXT_LOOK, self._look_again)
        elif found is Found.RUNNING:
            self._go_on()
        else:
            self._ended()

    def _begin_again(self) -> None:
        if self._abort is not None:
            self._conclude({})
            return
        try:
            self.launch.sec = self.directory.read_secrets()
        except (OSError, ValueError, AttributeError):
            self._lost = True
            self._conclude(ending.lost_result())
            return
        self.begin(journalled=True)

    def _look_again(self) -> None:
        witness = self.directory.read_started()
        if witness is not None and is_alive(witness):
            self.pid = witness.pid
            self._go_on()
        else:
            self._ended()

    def _go_on(self) -> None:
        self._run(self.pid)
        self.note(f"again{int(now())}", "Satellite was restarted, the job went on")
        if self._abort is not None:
            self._terminate()

    # Running

    def tick(self) -> None:
        """Take in what the process wrote."""
        if self.phase not in (Phase.RUNNING, Phase.ENDING) or self.output is None:
            return
        faults.reach("satellite.running")
        if self._has_stdin and self.directory.has_started():
            self._forget_stdin()
        before = self.output.size
        try:
            self.output.read()
        except OSError as error:
            log.warning("log was not written", job=self.key.id, error=str(error))
        if self.output.size > before:
            self._observer.log_grew(self)

    def second(self) -> None:
        """The slower checks of a running job."""
        if self.phase is not Phase.RUNNING or self.output is None:
            return
        if self.output.truncated():
            self.note("cut", "WARNING: The job cut its own output file, some of its output may be missing")
        limit = time_limit(self.launch.job)
        if limit and monotonic() - self.started > limit:
            self.abort(f"Job has exceeded its time limit of {limit:g} seconds.", retry_ok=True)

    def note(self, key: str, text: str) -> None:
        """Add a row to the job's meta log. `key` is unique in the attempt and the same after a restart."""
        if len(self.meta) >= _MOST_META_ROWS:
            return
        row = MetaRow(id=f"m{self.key.id}_{self.key.attempt}_{key}", epoch=now(), msg=text)
        self.meta.append(row)
        self._observer.noted(self, row)

    # Abort

    def abort(self, reason: str, *, retry_ok: bool = False) -> None:
        """Stop it by its kill policy. The first reason stands; an ended attempt keeps its own result."""
        if self._abort is not None or self.phase is Phase.FINISHED:
            return
        self._abort = AbortRecord(reason=reason, retry_ok=retry_ok)
        self.report.closed = True
        self.note("abort", "Aborting job on server")
        try:
            self.directory.write_abort(self._abort)
        except OSError as error:
            log.warning("abort was not recorded", job=self.key.id, error=str(error))
        if self.phase is Phase.PREPARING or self._files.under_way:
            self._conclude({})
        else:
            self._terminate()

    @property
    def _kill(self) -> str:
        return str(self.launch.job.get("kill") or "parent")

    def _terminate(self) -> None:
        if self._kill == "none":
            self._given_up()
            return
        self._termination = Termination(self._host.loop, self.pid, self._kill, self.note, self._given_up)
        self._termination.begin(self._host.config.settings.child_kill_timeout)

    def _given_up(self) -> None:
        """Its processes are left alone, or nothing ends them: the job is over all the same."""
        self._watch.forget(self.pid)
        self._cancel_timers()
        self.phase = Phase.ENDING
        self._drain(still=False)

    # Ending

    def _process_ended(self) -> None:
        faults.reach("satellite.exit")
        if self._child is not None:
            self._child.poll()
        witness = self.directory.read_started()
        if self._child is not None and witness is not None and witness.pid != self.pid:
            # A shim of an earlier satellite was first; ours ended at `started` and ran nothing.
            self._child = None
            if is_alive(witness):
                self._run(witness.pid)
                return
            self.pid = witness.pid
        self._ended()

    def _ended(self) -> None:
        self.phase = Phase.ENDING
        self._forget_stdin()
        self._settle(_FIRST_LOOK)

    def _settle(self, delay: Seconds) -> None:
        """Wait for members of the job's group that still write for it, such as `tee`."""
        if self.pid and processes.group_lives(self.pid) and self._still_busy():
            self._timer = self._host.loop.call_later(delay, self._settle, _NEXT_LOOK)
        else:
            self._drain(still=True)

    def _still_busy(self) -> bool:
        table = processes.table()
        members = [p.pid for p in table.values() if p.group == self.pid and p.state not in "ZX"]
        if self._abort is not None and self._kill == "all":
            return bool(members)
        if self.output is None:
            return False
        return processes.anyone_has_open(members, (self.output.stdout, self.output.stderr))

    def _drain(self, still: bool) -> None:
        """Take in the rest, a bounded piece at a time so that a huge log does not hold up other jobs."""
        if self.output is not None:
            try:
                more = self.output.read(ended=True, still=still)
            except OSError as error:
                self._disk_failures += 1
                if self._disk_failures <= _DISK_RETRIES:
                    log.warning("log was not written", job=self.key.id, error=str(error))
                    self._timer = self._host.loop.call_later(_NEXT_LOOK, self._drain, still)
                    return
                self.note("disk", f"WARNING: The end of the log is missing: {error.strerror}")
                more = False
            if more:
                self._observer.log_grew(self)
                self._host.loop.call_soon(self._drain, still)
                return
        self._hand_over(self._own_result())

    def _hand_over(self, result: dict[str, Any]) -> None:
        """Upload what the plugin wants to keep, then conclude."""
        if self.launch.job.get("runner"):  # it has uploaded them itself
            self._conclude({**result, "files": self.report.files} if self.report.files else result)
        elif self._lost or not self._files.send(
            self.report.files, lambda files: self._conclude({**result, "files": files} if files else result)
        ):
            self._conclude(result)

    def _own_result(self) -> dict[str, Any]:
        if self.report.completed or self._abort is not None:
            return {}
        end = self._end()
        if end is None:
            self._lost = True
            return ending.lost_result()
        self.note("exited", f"Child exited with code: {end.code}")
        errors = ""
        if self._style is Style.SHELL and self.output is not None:
            errors = self.output.first_errors(_QUOTED_ERRORS)
        result = ending.result_of(end, self._style, self.pid, errors)
        if errors.strip() and "html" not in self.report.fields:
            result["html"] = ending.error_html(errors)
        return result

    def _end(self) -> End | None:
        status = self.directory.read_exit()
        if status is not None:
            witness = self.directory.read_started()
            return ending.end_of(status, witness is not None and witness.killed)
        if self._child is None or self._child.returncode is None:
            return None
        # The shim itself was killed, or the disk did not take its last line.
        code = self._child.returncode
        return End(signal=ending.signal_name(-code)) if code < 0 else End(code)

    def _conclude(self, result: dict[str, Any]) -> None:
        self._cancel_timers()
        fields = {**self.report.fields, **self.usage.totals(), **result}
        if self._abort is not None:
            fields |= {"code": ABORT, "description": self._abort.reason}
            if self._abort.retry_ok:
                fields["retry_ok"] = True
        fields["pid"] = self.pid
        self.result = ending.with_defaults(fields)
        self.phase = Phase.FINISHED
        self._observer.finished(self)

    # The end of it all

    def discard(self) -> None:
        """The result is acknowledged: nothing of the attempt stays on this host."""
        self.release()
        self.directory.delete()
        self._host.journal.forget(self.key)

    def release(self) -> None:
        """Let go of descriptors and timers. The process, if there is one, goes on."""
        self._cancel_timers()
        self._watch.forget(self.pid)
        if self.output is not None:
            self.output.close()
            self.output = None

    def _cancel_timers(self) -> None:
        if self._termination is not None:
            self._termination.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._files.cancel()

    def _open_output(self) -> Output:
        params = self.launch.job.get("params")
        annotate = isinstance(params, dict) and params.get("annotate") and self._style is Style.SHELL
        lines = OutputLines(
            self.report, self.note, percent=self._style is Style.SHELL, stamp=_stamp if annotate else None
        )
        self.output = Output(self.directory, lines)
        return self.output

    def _forget_stdin(self) -> None:
        self.directory.forget_stdin()
        self._has_stdin = False


def _stamp() -> bytes:
    return time.strftime("[%Y/%m/%d %H:%M:%S] ").encode()
