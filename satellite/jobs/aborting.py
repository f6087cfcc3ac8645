"""Telling an attempt to stop, and making sure that it does (contract satellite_agent.md §5.9)."""

import structlog

from satellite.jobs.closing import Closing
from satellite.jobs.directory import AbortRecord
from satellite.jobs.life import Life, Phase
from satellite.jobs.termination import Termination

log = structlog.get_logger(__name__)


class Aborting:
    def __init__(self, life: Life, closing: Closing) -> None:
        self._life = life
        self._closing = closing

    def abort(self, reason: str, *, retry_ok: bool = False) -> None:
        """Stop it by its kill policy. The first reason stands; an ended attempt keeps its own result."""
        life = self._life
        if life.abort is not None or life.phase is Phase.FINISHED:
            return
        life.abort = AbortRecord(reason=reason, retry_ok=retry_ok)
        life.report.closed = True
        life.note("abort", "Aborting job on server")
        try:
            life.directory.write_abort(life.abort)
        except OSError as error:
            log.warning("abort was not recorded", job=life.key.id, error=str(error))
        if life.phase is Phase.PREPARING or life.files.under_way:
            self._closing.conclude({})
        else:
            self.terminate()

    def terminate(self) -> None:
        life = self._life
        if life.kill_policy == "none":
            self._closing.give_up()
            return
        life.termination = Termination(
            life.host.loop, life.pid, life.key.id, life.kill_policy, life.note, self._closing.give_up
        )
        life.termination.begin(life.host.config.settings.child_kill_timeout)
