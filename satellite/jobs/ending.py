"""How an attempt ended: from the end of its process to the code and text of its result. Pure.

Contract satellite_agent.md §5.9, and plugins.md §3.3 for the shell plugin.
"""

import signal
from enum import Enum, auto
from typing import Any

import msgspec

Code = int | str

LOST = "lost"
"""Result code of an attempt whose process vanished without a witness of its end."""

_SIGNAL_BASE = 128
_LONGEST_QUOTE = 256
_STARVED = " (the kernel killed a process because memory had run out)"


class End(msgspec.Struct, frozen=True):
    """What is known of a process's end: an exit status, or the name of the signal that killed it."""

    status: int = 0
    signal: str = ""

    @property
    def code(self) -> Code:
        return self.signal or self.status


class Style(Enum):
    """Whose rules turn the end into a result."""

    PLUGIN = auto()
    SHELL = auto()


def end_of(status: int, killed: bool) -> End:
    """The shim's status read: `killed` says that its shell told of a signal.

    A shell gives 128+n both for a signal and for a plain exit with that number. It tells of a signal on its
    standard error, except for those a person sends from the keyboard or a reader that left (INT, PIPE);
    for these alone the number is taken for what it nearly always is, an exit code passed on.
    """
    if not killed or status <= _SIGNAL_BASE:
        return End(status)
    return End(signal=signal_name(status - _SIGNAL_BASE))


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def result_of(end: End, style: Style, pid: int, errors: str, *, starved: bool = False) -> dict[str, Any]:
    """The result of a process that did not report its own completion. `starved`: the host was out of memory."""
    if style is Style.SHELL:
        result = _shell_result(end, errors)
        if starved:
            result["description"] += _STARVED
        return result
    if end.signal:
        description = f"Child {pid} was killed by signal: {end.signal}"
        return {"code": end.signal, "description": description + (_STARVED if starved else "")}
    if end.status:
        return {"code": end.status, "description": f"Child {pid} crashed with code: {end.status}"}
    return {
        "code": "warning",
        "description": "Process exited without reporting job completion.",
        "unknown": 1,
    }


def _shell_result(end: End, errors: str) -> dict[str, Any]:
    result: dict[str, Any] = {"code": end.code, "description": ""}
    if end.code:
        result["description"] = f"Script exited with code: {end.code}"
        first = errors.strip().partition("\n")[0].strip()
        if first and len(first) < _LONGEST_QUOTE:
            result["description"] += f": {first}"
    return result


def error_html(errors: str) -> dict[str, str]:
    """The `html` content that shows a script's standard error."""
    escaped = errors.strip().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"title": "Error Output", "content": f"<pre>{escaped}</pre>", "caption": ""}


def lost_result() -> dict[str, Any]:
    return {
        "code": LOST,
        "description": "The process is gone and left no exit status (was its host restarted?).",
        "retry_ok": True,
    }


def setup_result(description: str) -> dict[str, Any]:
    return {"code": 1, "description": description}


def with_defaults(fields: dict[str, Any]) -> dict[str, Any]:
    """A complete result: `complete`, `state`, and a text for an error that came without one."""
    fields["complete"] = True
    fields["state"] = "complete"
    if fields["code"] and not fields.get("description"):
        fields["description"] = "Unknown Error (no description provided)"
    fields.setdefault("description", "")
    fields.pop("status", None)
    return fields
