"""What a restarted satellite makes of a directory, row by row."""

import os
from pathlib import Path

import pytest

from satellite import processes
from satellite.jobs.directory import JobDirectory
from satellite.jobs.launch import AttemptKey
from satellite.jobs.recovery import Found, find

OWN = processes.read(os.getpid())
assert OWN is not None


def stat_line(pid: int, start: int) -> str:
    return f"{pid} (sh) S {' '.join(['0'] * 18)} {start} 0\n"


@pytest.mark.parametrize(
    ("started", "exit_status", "same_boot", "found"),
    [
        (None, None, True, Found.NEVER_STARTED),
        (None, None, False, Found.ENDED),
        ("", None, True, Found.UNCLEAR),
        (stat_line(OWN.pid, OWN.start), None, True, Found.RUNNING),
        (stat_line(OWN.pid, OWN.start), None, False, Found.ENDED),
        (stat_line(OWN.pid, OWN.start + 1), None, True, Found.ENDED),  # the PID was given to another process
        (stat_line(OWN.pid, OWN.start), "0\n", True, Found.ENDED),
        (stat_line(OWN.pid, OWN.start), "0", True, Found.RUNNING),  # torn: the last line is not whole
    ],
    ids=(
        "never started",
        "another boot",
        "nothing written yet",
        "alive",
        "alive before the boot",
        "another process's PID",
        "exit status",
        "torn exit status",
    ),
)
def test_findings(
    tmp_path: Path, started: str | None, exit_status: str | None, same_boot: bool, found: Found
) -> None:
    directory = JobDirectory(tmp_path, AttemptKey("j1", 1))
    directory.create()
    for name, content in (("started", started), ("exit", exit_status)):
        if content is not None:
            Path(directory.file(name)).write_text(content)
    assert find(directory, same_boot=same_boot) is found
