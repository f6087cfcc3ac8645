"""Standard output becomes messages and log text (contract satellite_agent.md §5.6, plugins.md §3.3)."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from satellite.jobs import legacy_messages
from satellite.jobs.report import PluginReport

_PERCENT = re.compile(rb"\s*(\d{1,3}(?:\.\d+)?)%\s*")

_LARGEST = 2**64 - 1
_TRANSPORT = msgspec.msgpack.Encoder()

Warn = Callable[[str, str], None]
"""(key that is the same whenever the same output is read again, text)"""


class OutputLines:
    """Splits whole lines of a process's standard output. `stamp` gives the prefix of each log line.

    The same bytes at the same offsets give the same messages and warnings again, so that a restarted
    satellite can read a job's output from the beginning to know what it has reported.
    """

    def __init__(
        self,
        report: PluginReport,
        warn: Warn,
        *,
        percent: bool = False,
        stamp: Callable[[], bytes] | None = None,
        legacy: bool = False,
    ) -> None:
        self._report = report
        self._warn = warn
        self._legacy = legacy
        self._percent = percent
        self._stamp = stamp

    def translate(self, block: bytes, offset: int) -> bytes:
        """The log text of `block`, which starts at `offset` of the stream and ends with a line."""
        if self._stamp is None and b"{" not in block and not (self._percent and b"%" in block):
            return block
        text: list[bytes] = []
        prefix = self._stamp() if self._stamp else b""
        for line in _lines(block):
            kept = self._line(line, offset)
            offset += len(line)
            if kept:
                text.append(prefix + kept)
        return b"".join(text)

    def _line(self, line: bytes, offset: int) -> bytes:
        stripped = line.strip()
        if stripped[:1] == b"{" and stripped[-1:] == b"}" and len(stripped) > 2:
            return self._json(line, stripped, offset)
        if self._percent and stripped[-1:] == b"%":
            match = _PERCENT.fullmatch(line)
            if match:
                self._report.progress(min(float(match[1]) / 100, 1.0))
                return b""
        return line

    def _json(self, line: bytes, stripped: bytes, offset: int) -> bytes:
        try:
            message: Any = msgspec.json.decode(stripped)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            self._warn(f"p{offset:x}", f"WARNING: Error: JSON Parse Error: {error}")
            return line
        if not message.get("xy"):
            translated = legacy_messages.translated(message) if self._legacy else None
            if translated is None:
                return msgspec.json.encode(message) + b"\n"
            message = translated
        try:
            _TRANSPORT.encode(message)
        except OverflowError:
            message = _narrowed(message)
        for number, warning in enumerate(self._report.accept(message, len(stripped))):
            self._warn(f"m{offset:x}_{number}", warning)
        return b""


def _narrowed(value: Any) -> Any:
    """JSON has whole numbers of any length, frames have 64 bits: longer ones become floats."""
    if isinstance(value, dict):
        return {key: _narrowed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_narrowed(inner) for inner in value]
    if isinstance(value, int) and not -(2**63) <= value <= _LARGEST:
        return float(value)
    return value


def _lines(block: bytes) -> list[bytes]:
    """Lines end at a newline only; carriage returns are text."""
    lines = block.split(b"\n")
    last = lines.pop()
    whole = [line + b"\n" for line in lines]
    return [*whole, last] if last else whole
