"""Set-up of an attempt: everything between the launch and the process, one step each.

    directory → record → stdin → account → environment → program

Each step can fail with SetupError, which ends the attempt with an ordinary result of code 1.
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

import satellite
from satellite.handshake import call_credentials
from satellite.jobs import credentials, inputs
from satellite.jobs.command_line import BUILT_IN, CommandLineError, arguments, taken_literally
from satellite.jobs.credentials import SetupError as SetupError
from satellite.jobs.directory import JobDirectory, Record
from satellite.jobs.ending import Style
from satellite.jobs.environment import Account, Surroundings, job_environment
from satellite.jobs.host import Host
from satellite.jobs.launch import Launch
from satellite.plugins import run
from shared.clock import now
from shared.protocol.tokens import runner_token

SHELL_PLUGIN = "shell-plugin"
_OWN_PROGRAMS = Path(run.__file__)
_STREAM_NAMES = re.compile(r"/dev/std(?:out|err)|/dev/fd/[12]|/proc/(?:self|\$\$)/fd")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What the shim is to run."""

    argv: list[str]
    environment: dict[str, str]
    account: Account
    foreign: bool
    warnings: list[str]


def style_of(launch: Launch) -> Style:
    return Style.SHELL if launch.job.get("command") == f"[{SHELL_PLUGIN}]" else Style.PLUGIN


def prepare(launch: Launch, directory: JobDirectory, host: Host) -> Program:
    """Lay out the directory and decide what runs. Raises SetupError."""
    account = credentials.resolve(launch.job.get("uid"), launch.job.get("gid"))
    foreign = credentials.is_foreign(account)
    try:
        _write_directory(launch, directory, host, account if foreign else None)
        here = Surroundings(
            version=satellite.VERSION,
            base_url=host.base_url(),
            cwd=directory.work,
            log_file=log_file(launch, directory),
            account=account,
            job_env=host.config.settings.job_env,
            legacy=host.config.settings.cronicle,
        )
        environment, left_out = job_environment(
            host.own_environment, launch.job, launch.details, launch.sec, here
        )
        argv, text = _program(launch, directory, host, environment, account if foreign else None)
        if _STREAM_NAMES.search(text):
            _make_pipes(directory, account if foreign else None)
    except OSError as error:
        raise SetupError(f"Setup Error: {error.strerror or error}: {error.filename or ''}") from None
    warnings = [f"WARNING: Environment variable was left out: {name}" for name in left_out]
    if literal := taken_literally(argv[1:]):
        # plugins.md "Where to be better" 4: such a command looks like a shell's and is none.
        warnings.append(f"WARNING: There is no shell, taken literally: {' '.join(literal)}")
    return Program(argv=argv, environment=environment, account=account, foreign=foreign, warnings=warnings)


def _write_directory(launch: Launch, directory: JobDirectory, host: Host, user: Account | None) -> None:
    directory.create()
    if user is not None:
        directory.hand_over(user.uid, user.gid)
    record = Record(job=launch.job, details=launch.details, attempt=launch.attempt, taken=now())
    directory.write("stdin", host.encoder.encode(_stdin(launch, directory, host)) + b"\n")
    directory.write("job.json", host.encoder.encode(record))
    if user is not None:
        # A program may open /dev/stdout by name, which asks for the file's own permissions.
        for name in ("stdin", "stdout", "stderr"):
            descriptor = os.open(directory.file(name), os.O_WRONLY | os.O_CREAT, 0o600)
            os.fchown(descriptor, user.uid, user.gid)
            os.close(descriptor)


def _stdin(launch: Launch, directory: JobDirectory, host: Host) -> dict[str, Any]:
    """The line a plugin reads (contract satellite_agent.md §5.5)."""
    settings = host.config.settings
    line: dict[str, Any] = {"xy": 1, **launch.job, **inputs.for_plugin(launch.job, launch.details)}
    line |= {
        "type": "event",
        "activity": None,
        "cwd": directory.work,
        "log_file": log_file(launch, directory),
        "secrets": launch.sec,
        "base_url": host.base_url(),
        "socket_opts": settings.socket_opts,
        "temp_dir": str(host.data / "temp"),
    }
    if settings.airgap:
        line["airgap"] = settings.airgap
    if launch.job.get("runner"):
        line["auth_token"] = runner_token(launch.job["id"], call_credentials(settings)["auth"])
    return line


def owner_of(launch: Launch) -> Account | None:
    """Whom the job's own files belong to, None where that is the satellite's own user. Raises SetupError."""
    account = credentials.resolve(launch.job.get("uid"), launch.job.get("gid"))
    return account if credentials.is_foreign(account) else None


def log_file(launch: Launch, directory: JobDirectory) -> str:
    """`JOB_LOG`: what a plugin writes there becomes an output file."""
    return f"{directory.work}/job-{launch.job['id']}.log"


def _program(
    launch: Launch, directory: JobDirectory, host: Host, environment: dict[str, str], user: Account | None
) -> tuple[list[str], str]:
    """The argument list, and the text of it in which a program might name its own streams."""
    command = launch.job.get("command")
    if not isinstance(command, str) or not command.strip():
        raise SetupError("Plugin Error: The plugin has no command")
    built_in = BUILT_IN.fullmatch(command)
    if built_in:
        return _built_in(built_in[1], launch, directory, user)
    try:
        argv = arguments(command, environment)
    except CommandLineError as error:
        raise SetupError(f"Child spawn error: {command}: {error}") from None
    text = command
    if launch.job.get("script"):
        path, script = _plugin_script(launch, directory, host, user)
        argv.append(path)
        text += script
    if shutil.which(argv[0], path=environment["PATH"]) is None:
        reason = "Permission denied" if os.path.exists(argv[0]) else "No such file or directory"
        raise SetupError(f"Child spawn error: {argv[0]}: {reason}")
    return argv, text + "".join(str(value) for value in _params(launch).values() if isinstance(value, str))


def _plugin_script(
    launch: Launch, directory: JobDirectory, host: Host, user: Account | None
) -> tuple[str, str]:
    """Path and text: with the launch, or among those that were sent beforehand."""
    if launch.script:
        own = directory.file("script")
        directory.write("script", (launch.script + "\n").encode(errors="surrogateescape"), 0o600)
        if user is not None:
            os.chown(own, user.uid, user.gid)
        return own, launch.script
    path = host.scripts.path_of(launch.job.get("plugin"))
    if path is None:
        raise SetupError(f"Plugin not found: {launch.job.get('plugin')}")
    return str(path), path.read_text(errors="replace")


def _built_in(
    name: str, launch: Launch, directory: JobDirectory, user: Account | None
) -> tuple[list[str], str]:
    if name in run.NAMES:
        # Isolated: what Python's variables in the job's environment say is meant for the job's own programs.
        return [sys.executable, "-I", str(_OWN_PROGRAMS), name], ""
    if name != SHELL_PLUGIN:
        raise SetupError(f"Plugin Error: [{name}] is not supported by this satellite")
    script = str(_params(launch).get("script") or "").replace("\r\n", "\n")
    interpreter = script[2:].partition("\n")[0].split(maxsplit=1) if script.startswith("#!") else []
    if interpreter and not os.access(interpreter[0], os.X_OK):
        raise SetupError(f"Script failed: {interpreter[0]}: No such file or directory")
    directory.write("script", script.encode(errors="surrogateescape"), 0o700)
    if user is not None:
        os.chown(directory.file("script"), user.uid, user.gid)
    return [directory.file("script")], script


def _params(launch: Launch) -> dict[str, Any]:
    params = launch.job.get("params")
    return params if isinstance(params, dict) else {}


def _make_pipes(directory: JobDirectory, user: Account | None) -> None:
    """See shim.sh: a program that opens its streams by name gets pipes."""
    for name in ("out", "err"):
        path = f"{directory.shim}/{name}"
        os.mkfifo(path, 0o600)
        if user is not None:
            os.chown(path, user.uid, user.gid)
