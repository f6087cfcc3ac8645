"""Commands of a conductor where only a satellite is installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("entry", "program", "missing"),
    [("conductor", "opsorbit-conductor", "sqlalchemy"), ("command", "opsorbit", "typer")],
)
def test_a_sentence_instead_of_a_trace(entry: str, program: str, missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from conductor.start import {entry}; {entry}()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{program} needs more than a satellite does ({missing} is missing)")
    assert len(ended.stderr.splitlines()) == 1


def test_they_run_where_all_is_installed() -> None:
    code = "import sys; sys.argv = ['x', '--version']; from conductor.start import conductor; conductor()"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout.strip()


_UNNEEDED = (
    "rich", "obstore", "argon2", "lark", "regex", "alembic", "jinja2", "markdown_it", "nh3", "PIL",
    "aiosmtplib", "bcrypt",
)  # fmt: skip


def test_a_start_loads_nothing_that_its_first_answer_does_not_need() -> None:
    """Each of them costs every start, and memory for as long as nothing happens."""
    code = (
        "import conductor.main, gc, sys\n"
        f"loaded = [name for name in {_UNNEEDED} if sys.modules.get(name)]\n"
        "conductor.slim.imported()\n"
        "print(loaded, gc.isenabled(), gc.get_freeze_count() > 10_000)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout.strip() == "[] True True"
