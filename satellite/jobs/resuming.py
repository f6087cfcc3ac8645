"""Taking up an attempt of an earlier satellite from what its directory says (docs/satellite-wire.md)."""

from satellite.jobs import ending
from satellite.jobs.aborting import Aborting
from satellite.jobs.closing import Closing
from satellite.jobs.life import Life, Phase
from satellite.jobs.preparing import Preparing
from satellite.jobs.recovery import Found, find, is_alive
from shared.clock import now

_LOOK_AGAIN = 1.0


class Resuming:
    def __init__(self, life: Life, preparing: Preparing, aborting: Aborting, closing: Closing) -> None:
        self._life = life
        self._preparing = preparing
        self._aborting = aborting
        self._closing = closing

    def recover(self, same_boot: bool) -> None:
        """Find out what became of it, and go on from there."""
        life = self._life
        life.abort = life.directory.read_abort()
        if life.abort is not None:
            life.report.closed = True
        found = find(life.directory, same_boot=same_boot)
        if found is Found.NEVER_STARTED:
            self._begin_again()
            return
        try:
            output = life.open_output()
        except OSError:
            # After a power loss the journal can know an attempt whose directory never reached the disk.
            self._lose()
            return
        life.has_stdin = True
        output.recover()
        witness = life.directory.read_started()
        life.pid = witness.pid if witness and same_boot else 0
        if found is Found.UNCLEAR:
            life.phase = Phase.RUNNING
            life.later(_LOOK_AGAIN, self._look_again)
        elif found is Found.RUNNING:
            self._go_on()
        else:
            self._closing.process_gone()

    def _begin_again(self) -> None:
        life = self._life
        if life.abort is not None:
            self._closing.conclude({})
            return
        try:
            life.launch.sec = life.directory.read_secrets()
            if life.launch.job.get("script"):
                life.launch.script = life.directory.read_script()
        except (OSError, ValueError, AttributeError):
            self._lose()
            return
        self._preparing.begin(journalled=True)

    def _lose(self) -> None:
        self._life.lost = True
        self._closing.conclude(ending.lost_result())

    def _look_again(self) -> None:
        witness = self._life.directory.read_started()
        if witness is not None and is_alive(witness):
            self._life.pid = witness.pid
            self._go_on()
        else:
            self._closing.process_gone()

    def _go_on(self) -> None:
        life = self._life
        self._closing.await_end(life.pid)
        life.note(f"again{int(now())}", "Satellite was restarted, the job went on")
        if life.abort is not None:
            self._aborting.terminate()
