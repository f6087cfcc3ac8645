"""The files of one attempt on their way, as the attempt sees it: begun, cancelled, done."""

import glob
import os
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from satellite.jobs.conductor_files import ConductorFiles
from satellite.jobs.directory import JobDirectory
from satellite.jobs.file_steps import fetch_inputs, send_outputs
from satellite.jobs.host import Host
from satellite.jobs.inputs import wanted
from satellite.jobs.launch import Launch
from satellite.jobs.setup import log_file, owner_of
from satellite.jobs.transfers import Transfer

log = structlog.get_logger(__name__)


class AttemptFiles:
    """At most one transfer at a time. `note` adds a row to the job's meta log."""

    def __init__(
        self, launch: Launch, directory: JobDirectory, host: Host, note: Callable[[str, str], None]
    ) -> None:
        self._launch = launch
        self._directory = directory
        self._host = host
        self._note = note
        self._transfer: Transfer | None = None

    @property
    def under_way(self) -> bool:
        return self._transfer is not None

    def fetch(self, done: Callable[[str], None]) -> bool:
        """Begin to fetch the inputs; False if there are none. `done` hears what went wrong, or nothing."""
        inputs = wanted(self._launch.job, self._launch.details)
        if not inputs:
            return False

        async def work(conductor: ConductorFiles) -> None:
            try:
                owner = owner_of(self._launch)
                failure = await fetch_inputs(conductor, inputs, self._directory, owner, self._note)
            except Exception as error:
                log.exception("inputs were not fetched", job=self._directory.key.id)
                failure = f"Setup Error: {error}"
            self._transfer = None
            done(failure)

        self._transfer = self._host.transfers.begin(work)
        return True

    def send(self, entries: Sequence[Any], done: Callable[[list[dict[str, Any]]], None]) -> bool:
        """Begin to upload what the entries name and what the plugin wrote into `JOB_LOG`; False if that is nothing.

        `done` hears of the Files that are stored.
        """
        wanted_files = list(entries)
        own_log = log_file(self._launch, self._directory)
        if os.path.exists(own_log):
            wanted_files.append({"path": glob.escape(own_log), "delete": True})
        if not wanted_files:
            return False

        async def work(conductor: ConductorFiles) -> None:
            files: list[dict[str, Any]] = []
            try:
                owner = owner_of(self._launch)
                server_id = self._host.config.settings.server_id
                files = await send_outputs(
                    conductor, wanted_files, self._directory, owner, server_id, self._note
                )
            except Exception as error:
                log.exception("outputs were not sent", job=self._directory.key.id)
                self._note("output_failed", f"WARNING: Failed to upload job files: {error}")
            self._transfer = None
            done(files)

        self._transfer = self._host.transfers.begin(work)
        return True

    def cancel(self) -> None:
        """Nobody is told any more; what was uploaded stays written down in the job's directory."""
        if self._transfer is not None:
            self._transfer.cancel()
            self._transfer = None
