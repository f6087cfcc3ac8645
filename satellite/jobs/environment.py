"""The environment of a job's process, layer on layer (contract satellite_agent.md §5.2). Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from satellite.settings import HIDDEN_PREFIXES

_NOT_WORD = re.compile(r"\W+", re.ASCII)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_STANDARD_PATH = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
_LONGEST_VARIABLE = 128 * 1024 - 1
"""Linux takes no longer string, name and equals sign included (MAX_ARG_STRLEN)."""
_MOST_BYTES = 1024 * 1024
"""Of all variables. Linux takes 2 MiB together with the arguments, where the stack has its usual limit."""


class Account(msgspec.Struct, frozen=True):
    """The user a job runs as."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the satellite knows and a job is told."""

    version: str
    base_url: str
    cwd: str
    log_file: str
    account: Account
    job_env: Mapping[str, Any] = {}
    legacy: bool = False
    """Whether jobs get what Cronicle's plugins read."""


def own_environment(environment: Mapping[str, str], tools: str = "") -> dict[str, str]:
    """Layer 1: the satellite's own environment as jobs may see it. Computed once.

    `tools`: a folder with programs for jobs, first on their path.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith(HIDDEN_PREFIXES)}
    kept.pop("OPSORBIT_FAULT", None)
    kept.pop("OPSORBIT_FAULT_ONCE", None)
    path = [tools] if tools else []
    path += [f"{kept['HOME']}/.local/bin"] if kept.get("HOME") else []
    path += [*kept.get("PATH", "").split(":"), *_STANDARD_PATH]
    kept["PATH"] = ":".join(dict.fromkeys(part for part in path if part))
    return kept


def job_environment(
    own: Mapping[str, str],
    job: Mapping[str, Any],
    details: Mapping[str, Any],
    sec: Mapping[str, Any],
    here: Surroundings,
) -> tuple[dict[str, str], list[str]]:
    """The environment, and the names that had to be left out.

    Left out are names a shell cannot hold, and strings longer than the kernel takes: one oversized value
    must not fail the whole job.
    """
    variables = dict(own)
    for layer in (here.job_env, job.get("env"), sec):
        _add(variables, layer)
    variables |= {
        "XYOPS": here.version,
        "JOB_ID": job["id"],
        "JOB_LOG": here.log_file,
        "JOB_NOW": _text(job.get("now", 0)),
        "JOB_BASE_URL": here.base_url,
        "PWD": here.cwd,
        "USER": here.account.name,
        "USERNAME": here.account.name,
        "HOME": here.account.home,
        "SHELL": here.account.shell,
    }
    if here.legacy:
        variables["CRONICLE"] = here.version
        _add_scalars(variables, job)
    given = job.get("params")
    if here.legacy and isinstance(given, dict):
        given = {name: _expanded(value, variables) for name, value in given.items()}
    _add(variables, given)
    workflow = job.get("workflow")
    _add(variables, workflow.get("params") if isinstance(workflow, dict) else None, "workflow_")
    _add(variables, details.get("workflowData"), "workflow_data_")
    _add(variables, details.get("serverData"), "server_data_")
    told = details.get("input")
    _add(variables, told.get("data") if isinstance(told, dict) else None, "data_")
    left_out = [name for name, value in variables.items() if not _possible(name, value, name in own)]
    for name in left_out:
        del variables[name]
    return variables, left_out + _shortened(variables, own)


def _shortened(variables: dict[str, str], own: Mapping[str, str]) -> list[str]:
    """Take the largest variables out until all of them together fit; returns their names."""
    sizes = {name: len(name) + len(value.encode(errors="replace")) + 2 for name, value in variables.items()}
    total = sum(sizes.values())
    left_out = []
    for name in sorted(sizes.keys() - own.keys(), key=lambda name: sizes[name], reverse=True):
        if total <= _MOST_BYTES:
            break
        total -= sizes[name]
        del variables[name]
        left_out.append(name)
    return left_out


def _add(variables: dict[str, str], layer: Any, prefix: str = "") -> None:
    if isinstance(layer, dict):
        for name, value in layer.items():
            variables[_NOT_WORD.sub("_", prefix + name)] = _text(value)


def _add_scalars(variables: dict[str, str], job: Mapping[str, Any]) -> None:
    """`JOB_<KEY>` for every text, number and boolean of the job."""
    for key, value in job.items():
        if isinstance(value, bool):
            variables[f"JOB_{_NOT_WORD.sub('_', key).upper()}"] = str(int(value))
        elif isinstance(value, str | int | float):
            variables[f"JOB_{_NOT_WORD.sub('_', key).upper()}"] = _text(value)


def _expanded(value: Any, variables: Mapping[str, str]) -> Any:
    """`$NAME` and `${NAME}` replaced from the environment so far."""
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), value)


def _possible(name: str, value: str, inherited: bool) -> bool:
    if not inherited and not _NAME.fullmatch(name):
        return False
    if "\0" in value:
        return False
    # UTF-8 takes at most four bytes a character: most values need no encoding to be measured.
    length = len(name) + 4 * len(value)
    return length < _LONGEST_VARIABLE or len(name) + len(value.encode(errors="replace")) < _LONGEST_VARIABLE


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return "null"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return msgspec.json.encode(value).decode()
