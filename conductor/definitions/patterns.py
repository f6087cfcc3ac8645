"""Regular expressions of users: JavaScript's dialect, run by Python's `re` in bounded time.

What cannot be translated is refused when it is saved (contract api/README.md §11.5). The work of a search is
bounded by the pattern's cost and the length of the text: longer texts than `longest` do not match.
"""

import re
import warnings
from functools import lru_cache

from conductor.definitions.pattern_cost import cost_of
from conductor.definitions.pattern_tree import Node, PatternError, Reader
from conductor.errors import BadParameter

LONGEST_PATTERN = 1000
_WORK = 1e8  # character steps of one search, a second or two
_LONGEST_TEXT = 65_536


class Pattern:
    """One compiled pattern; build it with `of`, which keeps the last few hundred."""

    __slots__ = ("_compiled", "longest")

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST_PATTERN:
            raise BadParameter(f"Invalid regular expression: Longer than {LONGEST_PATTERN} characters")
        try:
            tree = Reader(source).read()
            cost = cost_of(tree)
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)
                self._compiled = re.compile(_python(tree), re.ASCII)
        except PatternError as error:
            raise BadParameter(f"Invalid regular expression: {error}") from None
        except (re.error, OverflowError, RecursionError, FutureWarning, ValueError) as error:
            raise BadParameter(f"Invalid regular expression: {error}") from None
        # A search that is not anchored starts over at each character.
        power = max(1.0, cost.loops if _anchored(tree) else cost.loops + 1)
        self.longest = min(_LONGEST_TEXT, int((_WORK / 2**cost.forks) ** (1 / power)))
        """Characters of the longest text that is searched."""

    @staticmethod
    def of(source: str) -> "Pattern":
        """Raises BadParameter, naming what is wrong."""
        return _compiled(source)

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in `text`."""
        return len(text) <= self.longest and self._compiled.search(text) is not None


@lru_cache(maxsize=512)
def _compiled(source: str) -> Pattern:
    return Pattern(source)


def _anchored(tree: Node) -> bool:
    if tree.kind != "join" or not tree.parts:
        return False
    first = tree.parts[0]
    return first.kind == "empty" and first.python == "^"


def _python(node: Node) -> str:
    match node.kind:
        case "join":
            return "".join(map(_python, node.parts))
        case "either":
            return "|".join(map(_python, node.parts))
        case "group":
            return f"{node.python}{_python(node.parts[0])})"
        case "empty" if node.parts:
            return f"{node.python}{_python(node.parts[0])})"
        case "repeat":
            most = "" if node.most == float("inf") else int(node.most)
            lazy = "?" if node.lazy else ""
            return f"{_python(node.parts[0])}{{{node.least},{most}}}{lazy}"
    return node.python
