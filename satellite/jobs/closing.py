"""From the end of the process to the result: wait for the last writers, take in the rest, upload, conclude."""

from typing import Any

import structlog

from satellite import processes
from satellite.jobs import ending, out_of_memory
from satellite.jobs.ending import End, Style
from satellite.jobs.life import Life, Phase
from satellite.jobs.recovery import is_alive
from satellite.jobs.watch import ExitWatch
from shared import faults
from shared.clock import Seconds, monotonic
from shared.schema.jobs import ABORT

_FIRST_LOOK = 0.1
_NEXT_LOOK = 1.0
_DISK_RETRIES = 10
_QUOTED_ERRORS = 32 * 1024

log = structlog.get_logger(__name__)


class Closing:
    def __init__(self, life: Life, watch: ExitWatch) -> None:
        self._life = life
        self._watch = watch
        self._disk_failures = 0

    def await_end(self, pid: int) -> None:
        """The process runs: notice its end."""
        life = self._life
        life.pid = pid
        life.phase = Phase.RUNNING
        life.started = monotonic() - processes.age(pid)
        self._watch.watch(pid, self._process_ended)

    def process_gone(self) -> None:
        """It has ended, now or before a restart."""
        self._life.phase = Phase.ENDING
        self._life.forget_stdin()
        self._settle(_FIRST_LOOK)

    def give_up(self) -> None:
        """Its processes are left alone, or nothing ends them: the job is over all the same."""
        self._watch.forget(self._life.pid)
        self._life.cancel_timers()
        self._life.phase = Phase.ENDING
        self._drain(still=False)

    def release(self) -> None:
        """Let go of descriptors and timers. The process, if there is one, goes on."""
        life = self._life
        life.cancel_timers()
        self._watch.forget(life.pid)
        if life.output is not None:
            life.output.close()
            life.output = None

    def conclude(self, result: dict[str, Any]) -> None:
        """The attempt has its result, made of what its plugin reported and `result`."""
        life = self._life
        life.cancel_timers()
        fields = {**life.report.fields, **life.usage.totals(), **result}
        if life.abort is not None:
            fields |= {"code": ABORT, "description": life.abort.reason}
            if life.abort.retry_ok:
                fields["retry_ok"] = True
        fields["pid"] = life.pid
        life.result = ending.with_defaults(fields)
        life.phase = Phase.FINISHED
        life.ended()

    def _process_ended(self) -> None:
        faults.reach("satellite.exit")
        life = self._life
        if life.child is not None:
            life.child.poll()
        witness = life.directory.read_started()
        if life.child is not None and witness is not None and witness.pid != life.pid:
            # A shim of an earlier satellite was first; ours ended at `started` and ran nothing.
            life.child = None
            if is_alive(witness):
                self.await_end(witness.pid)
                return
            life.pid = witness.pid
        self.process_gone()

    def _settle(self, delay: Seconds) -> None:
        """Wait for members of the job's group that still write for it, such as `tee`."""
        life = self._life
        if life.pid and self._still_busy():
            life.later(delay, self._settle, _NEXT_LOOK)
        else:
            self._drain(still=True)

    def _still_busy(self) -> bool:
        life = self._life
        if life.termination is not None and life.kill_policy == "all":
            return life.termination.unfinished
        if life.output is None or not processes.group_lives(life.pid):
            return False
        table = processes.table()
        members = [p.pid for p in table.values() if p.group == life.pid and p.state not in "ZX"]
        return processes.anyone_has_open(members, (life.output.stdout, life.output.stderr))

    def _drain(self, still: bool) -> None:
        """Take in the rest, a bounded piece at a time so that a huge log does not hold up other jobs."""
        life = self._life
        if life.output is not None:
            try:
                more = life.output.read(ended=True, still=still)
            except OSError as error:
                self._disk_failures += 1
                if self._disk_failures <= _DISK_RETRIES:
                    log.warning("log was not written", job=life.key.id, error=str(error))
                    life.later(_NEXT_LOOK, self._drain, still)
                    return
                life.note("disk", f"WARNING: The end of the log is missing: {error.strerror}")
                more = False
            if more:
                life.grew()
                life.host.loop.call_soon(self._drain, still)
                return
        self._hand_over(self._own_result())

    def _hand_over(self, result: dict[str, Any]) -> None:
        """Upload what the plugin wants to keep, then conclude."""
        life = self._life
        if life.runner:  # it has uploaded them itself
            self.conclude({**result, "files": life.report.files} if life.report.files else result)
        elif life.lost or not life.files.send(
            life.report.files, lambda files: self.conclude({**result, "files": files} if files else result)
        ):
            self.conclude(result)

    def _own_result(self) -> dict[str, Any]:
        life = self._life
        if life.report.completed or life.abort is not None:
            return {}
        end = self._end()
        if end is None:
            life.lost = True
            return ending.lost_result()
        life.note("exited", f"Child exited with code: {end.code}")
        errors = ""
        if life.style is Style.SHELL and life.output is not None:
            errors = life.output.first_errors(_QUOTED_ERRORS)
        starved = out_of_memory.explains(end.signal, life.out_of_memory_before)
        result = ending.result_of(end, life.style, life.pid, errors, starved=starved)
        if errors.strip() and "html" not in life.report.fields:
            result["html"] = ending.error_html(errors)
        return result

    def _end(self) -> End | None:
        life = self._life
        status = life.directory.read_exit()
        if status is not None:
            witness = life.directory.read_started()
            return ending.end_of(status, witness is not None and witness.killed)
        if life.child is None or life.child.returncode is None:
            return None
        # The shim itself was killed, or the disk did not take its last line.
        code = life.child.returncode
        return End(signal=ending.signal_name(-code)) if code < 0 else End(code)
