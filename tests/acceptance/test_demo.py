"""`opsorbit demo --exit`, as `make demo DEMO_EXIT=1` runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _opsorbit(*arguments: str, folder: Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from conductor.cli import main; main()", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.timeout(100)
def test_the_demonstration_runs_a_job_to_its_end_and_cleans_up(tmp_path: Path) -> None:
    done = _opsorbit("demo", "--exit", folder=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout
    assert "Packing" in output, "the log is shown"
    assert output.count("KB ->") > 20, "to its last line"
    assert output.index("Packing") < output.index("Result")
    assert "MB became" in output, "the result has the script's own description"
    assert re.search(r"\[ *\d\d%\]", output), "progress on the way"
    assert "[100%]" in output
    assert output.index("Result") < output.index("Alert fired") < output.index("Alert cleared")
    assert re.search(r"memory\.used +\d+", output), "the alert tells why it fired"
    assert len(re.findall(r"CPU [\d.]+ %, load", output)) == 2, "two samples of this host's monitors"
    assert re.search(r"is due at \d\d:\d\d: the schedule fires it", output)
    failed = re.search(r"Job (\w+) has failed \(.*The peer does not answer.*\) and is tried again", output)
    succeeded = re.search(r"Job (\w+) has succeeded at the second attempt", output)
    assert failed, output
    assert succeeded, output
    assert failed[1] != succeeded[1], "each attempt is a job of its own"
    assert "admin, password" not in output, "nobody is invited to a conductor that is gone"
    assert list(tmp_path.iterdir()) == [], "its data is removed"


def test_the_version_is_told(tmp_path: Path) -> None:
    done = _opsorbit("--version", folder=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (0, "opsorbit")
