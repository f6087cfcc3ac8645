"""While the process runs: its output is taken in, and its limits are kept where the conductor cannot."""

import os

import structlog

from satellite.jobs.aborting import Aborting
from satellite.jobs.life import Life, Phase
from satellite.jobs.limits import LimitWatch, Reading
from satellite.jobs.setup import log_file
from shared import faults
from shared.clock import monotonic

log = structlog.get_logger(__name__)


class Running:
    def __init__(self, life: Life, aborting: Aborting) -> None:
        self._life = life
        self._aborting = aborting
        self._limits = LimitWatch(life.launch.job, life.host.config.settings.max_output_bytes)

    def tick(self) -> None:
        """Take in what the process wrote."""
        life = self._life
        if life.phase not in (Phase.RUNNING, Phase.ENDING) or life.output is None:
            return
        faults.reach("satellite.running")
        if life.has_stdin and life.directory.has_started():
            life.forget_stdin()
        before = life.output.size
        try:
            life.output.read()
        except OSError as error:
            log.warning("log was not written", job=life.key.id, error=str(error))
            life.note("full", f"WARNING: Log could not be written, it will follow: {error.strerror}")
        if life.output.size > before:
            life.grew()
            if life.abort is None and self._limits.flooded(life.output.written()):
                self._aborting.abort(self._limits.flood(), retry_ok=True)

    def second(self) -> None:
        """The slower checks."""
        life = self._life
        if life.phase is not Phase.RUNNING or life.output is None:
            return
        if life.output.truncated():
            life.note("cut", "WARNING: The job cut its own output file, some of its output may be missing")
        if life.output.full:
            life.note("flood", "WARNING: The job has written more than is kept of its log")
        at = monotonic()
        figures = life.report.fields if life.runner else life.usage.latest
        reading = Reading(
            elapsed=at - life.started,
            log_bytes=max(life.output.written(), _size(log_file(life.launch, life.directory))),
            cpu=_current(figures.get("cpu")),
            mem=_current(figures.get("mem")),
        )
        if reason := self._limits.exceeded(reading, at):
            self._aborting.abort(reason, retry_ok=True)


def _size(path: str) -> int:
    """Of what a plugin writes into `JOB_LOG` itself."""
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except OSError:
        return 0


def _current(series: object) -> float:
    value = series.get("current") if isinstance(series, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0
