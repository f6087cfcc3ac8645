"""Importing the package brings neither the parser nor the pattern engine."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("lark", "regex", "decimal", "dataclasses", "inspect", "urllib", "msgspec", "asyncio")


def test_import_is_light() -> None:
    script = f"import sys, shared.expressions; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == "[]"
