"""What is shipped for containers can be read by what reads it."""

import subprocess
from pathlib import Path

import pytest
import yaml

from conductor.settings_reading import load

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.mark.parametrize("name", ["container/satellite-entry", "systemd/check"])
def test_its_scripts_are_shell(name: str) -> None:
    checked = subprocess.run(["sh", "-n", str(DEPLOY / name)], capture_output=True, check=False, timeout=10)
    assert checked.returncode == 0, checked.stderr


def test_compose_names_settings_that_there_are(tmp_path: Path) -> None:
    compose = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
    conductors = [one for name, one in compose["services"].items() if name.startswith("conductor")]
    assert len(conductors) == 2
    given = {key: value.partition(":?")[0] for key, value in conductors[0]["environment"].items()}
    settings = load(environment=given)
    assert settings.masters.split(",") == [one["hostname"] for one in conductors]
    assert all((settings.redis_url, settings.database_url, settings.files_url, settings.secret_key))
    targets = {one["build"]["target"] for one in compose["services"].values() if "build" in one}
    stages = (DEPLOY / "container" / "Containerfile").read_text()
    assert all(f" AS {target}\n" in stages for target in targets)


def test_the_container_fetches_its_configuration_once(tmp_path: Path) -> None:
    """Against a URL that answers nothing it gives up; with a configuration it starts, and asks nobody."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, text in {
        "opsorbit-satellite": '#!/bin/sh\necho "started $*"\n',
        "sleep": "#!/bin/sh\n",
        "curl": '#!/bin/sh\nread line\necho "asked $line" >&2\nexit 22\n',
    }.items():
        (bin_folder / name).write_text(text)
        (bin_folder / name).chmod(0o755)
    config = tmp_path / "config.json"
    environment = {
        "PATH": f"{bin_folder}:/usr/bin:/bin",
        "XYSAT_config_file": str(config),
        "XYOPS_setup": "http://one/config?t=x,http://two/config?t=x",
    }

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(DEPLOY / "container" / "satellite-entry")],
            env=environment, capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip

    failed = run()
    assert failed.returncode == 1
    assert failed.stderr.count("http://one") == failed.stderr.count("http://two") == 5
    assert not config.exists()
    config.write_text("{}")
    started = run()
    assert (started.returncode, "asked" in started.stderr) == (0, False)
    assert f"--config {config}" in started.stdout
