"""User-written regular expressions, searched within limits: `match()`, monitors' `data_match`, groups'
`hostname_match`.

Pattern and subject are capped, and a search that uses up its processor time is broken off: a catastrophic
pattern costs one evaluation 50 ms, not the process.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ExpressionError
from .limits import MAX_PATTERN_LENGTH, MAX_SUBJECT_LENGTH, Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Pattern:
    """A compiled pattern. Safe to share between threads; made by `compile_pattern`."""

    __slots__ = ("_compiled", "groups", "text")

    def __init__(self, text: str, compiled: Any) -> None:
        self.text = text
        self.groups: int = compiled.groups
        self._compiled = compiled

    def search(self, subject: str, allowance: Allowance | None = None) -> Sequence[str | None] | None:
        """The whole match followed by its groups (None for one that took no part), or None for no match.

        Searches anywhere in the subject. Raises ExpressionError for a subject above `MAX_SUBJECT_LENGTH`
        and for a search that takes longer than the allowance has left (50 ms on its own).
        """
        allowance = allowance or Allowance()
        if len(subject) > MAX_SUBJECT_LENGTH:
            raise ExpressionError(f"Text to match is longer than {MAX_SUBJECT_LENGTH} characters")
        allowance.spend_text(len(subject))
        found = _timed(lambda left: self._compiled.search(subject, timeout=left), allowance)
        return None if found is None else (found.group(), *found.groups())


def compile_pattern(text: str) -> Pattern:
    """Compile an ECMAScript pattern without flags. ExpressionError when it is invalid or above the limits."""
    if len(text) > MAX_PATTERN_LENGTH:
        raise ExpressionError(f"Pattern is longer than {MAX_PATTERN_LENGTH} characters")
    compiled = _compiled(text)
    if isinstance(compiled, ExpressionError):
        raise ExpressionError(compiled.reason, compiled.position)
    return compiled


def search(pattern: str, subject: str, allowance: Allowance) -> Sequence[str | None] | None:
    """Compile and search; both are paid from the allowance, as both texts may come from the context."""
    return _timed(lambda _left: compile_pattern(pattern), allowance).search(subject, allowance)


def _timed(work: Callable[[float], T], allowance: Allowance) -> T:
    if allowance.pattern_seconds <= 0:
        raise ExpressionError("Patterns take too long")
    started = time.thread_time()
    try:
        return work(allowance.pattern_seconds)
    except TimeoutError:
        allowance.pattern_seconds = 0.0
        raise ExpressionError("Pattern takes too long") from None
    finally:
        allowance.pattern_seconds -= time.thread_time() - started


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Pattern | ExpressionError:
    """Failures are remembered too: a broken definition is met again with every sample."""
    # Only a process that meets a pattern pays for the engine.
    import regex

    from .ecmascript import translate

    try:
        return Pattern(text, regex.compile(translate(text), regex.ASCII | regex.VERSION0))
    except ExpressionError as problem:
        return ExpressionError(problem.reason, problem.position)
    except (regex.error, RecursionError, OverflowError) as problem:
        return ExpressionError(f"Invalid pattern: {type(problem).__name__}")
