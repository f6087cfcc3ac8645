"""Fault points kill when armed, once over restarts if asked, and cost nothing otherwise."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = "from shared.faults import reach\nfor name in 'abab': reach(name); print(name, flush=True)"


def run(**environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout


def test_points(tmp_path: Path) -> None:
    assert run() == (0, "a\nb\na\nb\n")
    assert run(OPSORBIT_FAULT="b") == (-9, "a\n")
    assert run(OPSORBIT_FAULT="b:2") == (-9, "a\nb\na\n")
    once = str(tmp_path / "once")
    assert run(OPSORBIT_FAULT="a", OPSORBIT_FAULT_ONCE=once) == (-9, "")
    assert run(OPSORBIT_FAULT="a", OPSORBIT_FAULT_ONCE=once) == (0, "a\nb\na\nb\n")
