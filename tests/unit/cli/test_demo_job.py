import json
import re
import subprocess
from pathlib import Path

from conductor.cli.demo_job import event


def test_the_script_shows_progress_and_completes_itself(tmp_path: Path) -> None:
    definition = event()
    # A small library stands in for Python's, whose packing takes seconds.
    for name in ("email", "json", "site-packages"):
        (tmp_path / "library" / name).mkdir(parents=True)
        (tmp_path / "library" / name / "module.py").write_text("x = 1\n" * 1000)
    source = f"source={tmp_path / 'library'}"
    script = re.sub(r"^source=.*$", source, definition["params"]["script"], count=1, flags=re.M)
    work = tmp_path / "work"
    work.mkdir()

    done = subprocess.run(["/bin/sh", "-c", script], cwd=work, capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert [line for line in lines if re.fullmatch(r"\d+%", line)] == ["50%", "100%"]
    assert sum("KB ->" in line for line in lines) == 2, "site-packages is left out"
    result = json.loads(lines[-1])
    assert (result["xy"], result["complete"], result["code"]) == (1, True, 0)
    assert list(work.iterdir()) == []
