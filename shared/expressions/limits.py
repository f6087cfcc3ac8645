"""What one expression may cost: caps on its text, and the allowance of one evaluation.

The language has no loop, but an array filter runs its body once per element, filters nest, and functions walk
whole values. Everything that can be long is paid for in steps before it is done, so that an evaluation ends
after a bounded amount of work whatever the context holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from .errors import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LENGTH: Final = 8192
"""Characters of one expression."""

MAX_DEPTH: Final = 64
"""Nesting levels of one expression. A level costs up to four Python frames, so this stays far from the
interpreter's recursion limit; chains such as `a || b || c` and `a.b.c` are one level however long."""

MAX_NODES: Final = 2000
"""Operands, operators and path steps of one expression."""

MAX_DATA_DEPTH: Final = 100
"""Nesting levels of a value that is turned into text or JSON; also ends a value that contains itself."""

MAX_STEPS: Final = 500_000
"""Steps of one evaluation: an AST node run for an element of a filter, an array element or object member
looked at, or 16 characters of text. In the order of 50 ms."""

MAX_PATTERN_LENGTH: Final = 1000
"""Characters of a regular expression."""

MAX_SUBJECT_LENGTH: Final = 262_144
"""Characters of a text that a regular expression is tried on."""

MAX_PATTERN_SECONDS: Final = 0.05
"""Processor time that all regular expressions of one evaluation may take together."""

MAX_MACROS: Final = 1000
"""Macros in one text."""

MAX_MACRO_LENGTH: Final = 65_536
"""Characters of all macros in one text together."""


class Directory(Protocol):
    """What `server()` and `event()` may look up. Each answer is the record, or None where there is none."""

    def server(self, server_id: str, /) -> Mapping[str, Any] | None:
        """An online or recently offline server; `title` and `hostname` are read."""

    def event(self, event_id: str, /) -> Mapping[str, Any] | None:
        """An event; `title` is read."""

    def active_job(self, job_id: str, /) -> Mapping[str, Any] | None:
        """A job that has not completed; `event` is read."""


class Allowance:
    """What is left for one evaluation, handed to everything that can be long."""

    __slots__ = ("directory", "pattern_seconds", "steps")

    def __init__(self, directory: Directory | None = None, steps: int = MAX_STEPS) -> None:
        self.steps = steps
        self.pattern_seconds = MAX_PATTERN_SECONDS
        self.directory = directory

    def spend(self, steps: int) -> None:
        """Pay for work about to be done; ExpressionError when it exceeds what is left."""
        self.steps -= steps
        if self.steps < 0:
            raise ExpressionError("Expression takes too many steps")

    def spend_text(self, length: int) -> None:
        """Pay for reading or making `length` characters; a short text is part of the node that handles it."""
        if length > 256:
            self.spend(length >> 4)
