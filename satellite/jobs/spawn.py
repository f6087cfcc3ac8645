"""Starting the shim, the one process of ours that outlives us."""

import os
import subprocess
from pathlib import Path

from satellite.jobs.directory import JobDirectory
from satellite.jobs.output import Output
from satellite.jobs.setup import Program

_SHELL = "/bin/sh"
_SHIM = Path(__file__).with_name("shim.sh")


def install_shim(folder: Path) -> None:
    """Copy the shim to where every user can read it, whatever the installation's own permissions are."""
    path = shim_in(folder)
    temporary = path.with_name(".shim.new")
    temporary.write_bytes(_SHIM.read_bytes())
    temporary.chmod(0o755)
    os.replace(temporary, path)


def shim_in(folder: Path) -> Path:
    return folder / "shim.sh"


def spawn(shim: str, directory: JobDirectory, program: Program, output: Output) -> subprocess.Popen[bytes]:
    """Start the program under the shim, in a session of its own. Raises OSError.

    Nothing is closed by hand: every descriptor of ours is close-on-exec.
    """
    stdin = os.open(directory.file("stdin"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if program.foreign:
            account = program.account
            return subprocess.Popen(
                [_SHELL, shim, directory.shim, *program.argv],
                stdin=stdin,
                stdout=output.stdout,
                stderr=output.stderr,
                cwd=directory.work,
                env=program.environment,
                start_new_session=True,
                user=account.uid,
                group=account.gid,
                extra_groups=os.getgrouplist(account.name, account.gid),
            )
        return subprocess.Popen(
            [_SHELL, shim, directory.shim, *program.argv],
            stdin=stdin,
            stdout=output.stdout,
            stderr=output.stderr,
            cwd=directory.work,
            env=program.environment,
            start_new_session=True,
        )
    finally:
        os.close(stdin)
