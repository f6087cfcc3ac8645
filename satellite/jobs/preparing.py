"""From the launch to the process: set up, journal, fetch the input files, start (contract satellite_agent.md §5.1)."""

import subprocess

import structlog

from satellite.jobs import ending, out_of_memory
from satellite.jobs.closing import Closing
from satellite.jobs.life import Life, Phase
from satellite.jobs.setup import Program, SetupError, prepare
from satellite.jobs.spawn import shim_in, spawn
from shared import faults

log = structlog.get_logger(__name__)


class Preparing:
    """Each step can end the attempt with an ordinary result of code 1."""

    def __init__(self, life: Life, closing: Closing) -> None:
        self._life = life
        self._closing = closing
        self._program: Program | None = None

    def begin(self, *, journalled: bool = False) -> None:
        """Set up, journal, start. An attempt from before a restart is `journalled` already."""
        life = self._life
        try:
            self._program = prepare(life.launch, life.directory, life.host)
            life.open_output()
        except SetupError as error:
            self.fail(str(error))
            return
        except Exception as error:
            # A launch of an impossible shape must end as a result, not as a job nobody hears of again.
            log.exception("set-up failed", job=life.key.id)
            self.fail(f"Setup Error: {error}")
            return
        for number, warning in enumerate(self._program.warnings):
            life.note(f"setup{number}", warning)
        if journalled:
            self._start(None)
        else:
            life.host.journal.take(life.key, self._start)

    def fail(self, description: str) -> None:
        self._closing.conclude(ending.setup_result(description))

    def _start(self, failure: OSError | None) -> None:
        life = self._life
        if life.phase is not Phase.PREPARING:
            return
        if failure is not None:
            self.fail(f"Setup Error: {failure.strerror}: the journal of jobs")
            return
        faults.reach("satellite.taken")
        if not life.files.fetch(self._fetched):
            self._spawn()

    def _fetched(self, failure: str) -> None:
        if self._life.phase is not Phase.PREPARING:
            return
        if failure:
            self.fail(failure)
        else:
            self._spawn()

    def _spawn(self) -> None:
        life, program = self._life, self._program
        assert program is not None and life.output is not None  # noqa: S101, PT018
        life.out_of_memory_before = out_of_memory.kills()
        try:
            shim = str(shim_in(life.host.data))
            life.child = spawn(shim, life.directory, program, life.output)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.fail(f"Child spawn error: {life.launch.job.get('command')}: {error}")
            return
        faults.reach("satellite.started")
        self._program = None
        life.launch.sec = {}
        life.has_stdin = True
        self._closing.await_end(life.child.pid)
        life.note("spawned", f"Spawned child process: PID {life.pid}")
