"""Reads a regular expression in the JavaScript dialect (no flags) into a tree.

Only what means the same to Python's `re` after translation is read; the rest is refused in words.
`patterns` writes the tree out for Python and `pattern_cost` bounds its run time.
"""

import re
import string
from dataclasses import dataclass, field

CHARS = 129
"""Sets of characters are bit masks: one bit for each ASCII character, the last for all others."""
EVERY = (1 << CHARS) - 1


class PatternError(Exception):
    """The text is no pattern, or one that cannot be translated; the message says why."""


def mask(text: str) -> int:
    bits = 0
    for char in text:
        bits |= 1 << min(ord(char), CHARS - 1)
    return bits


DIGITS = mask(string.digits)
WORD = mask(string.ascii_letters + string.digits + "_")
SPACE = mask(" \t\n\r\f\v\u00a0")
_LINE_ENDS = mask("\n\r\u2028")
_OTHERS = 1 << (CHARS - 1)


@dataclass(slots=True)
class Node:
    """`kind`: set, empty (anchors, lookaround), back (reference), join, either, group or repeat."""

    kind: str
    python: str = ""
    chars: int = 0
    parts: list["Node"] = field(default_factory=list)
    least: int = 1
    most: float = 1
    lazy: bool = False


_SPACES = r"\s\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASSES = {
    "d": (r"\d", DIGITS),
    "D": (r"\D", EVERY & ~DIGITS),
    "w": (r"\w", WORD),
    "W": (r"\W", EVERY & ~WORD),
    "s": (f"[{_SPACES}]", SPACE),
    "S": (f"[^{_SPACES}]", (EVERY & ~SPACE) | _OTHERS),
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}
_QUANTIFIER = re.compile(r"\{(\d{1,9})(,(\d{1,9})?)?\}", re.ASCII)
_GROUP_NAME = re.compile(r"\(\?<([A-Za-z_]\w*)>", re.ASCII)
_NAME_REFERENCE = re.compile(r"k<([A-Za-z_]\w*)>", re.ASCII)
_LOOKAROUNDS = ("(?=", "(?!", "(?<=", "(?<!")
_MOST_REPEATS = 1000
_DEEPEST = 30


class Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._depth = 0

    def read(self) -> Node:
        tree = self._either()
        if self._at < len(self._source):
            raise PatternError("Unmatched ')'")
        return tree

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise PatternError("It ends too early")
        self._at += 1
        return char

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise PatternError("Groups are nested too deeply")
        branches = [self._join()]
        while self._peek() == "|":
            self._at += 1
            branches.append(self._join())
        self._depth -= 1
        return branches[0] if len(branches) == 1 else Node("either", parts=branches)

    def _join(self) -> Node:
        parts: list[Node] = []
        while (char := self._peek()) and char not in "|)":
            parts.append(self._repeated(self._atom()))
        return Node("join", parts=parts)

    def _repeated(self, atom: Node) -> Node:
        bounds = self._quantifier()
        if bounds is None:
            return atom
        if atom.kind == "empty":
            raise PatternError("Nothing to repeat")
        least, most = bounds
        node = Node("repeat", parts=[atom], least=least, most=most)
        if self._peek() == "?":
            self._at += 1
            node.lazy = True
        if self._quantifier() is not None:
            raise PatternError("Nothing to repeat")
        return node

    def _quantifier(self) -> tuple[int, float] | None:
        char = self._peek()
        if char and char in "*+?":
            self._at += 1
            return {"*": (0, float("inf")), "+": (1, float("inf")), "?": (0, 1)}[char]
        found = _QUANTIFIER.match(self._source, self._at)
        if found is None:
            return None
        self._at = found.end()
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else float("inf")
        if least > most:
            raise PatternError("Numbers out of order in {} quantifier")
        if least > _MOST_REPEATS or (most > _MOST_REPEATS and most != float("inf")):
            raise PatternError(f"More than {_MOST_REPEATS} repetitions")
        return least, most

    def _atom(self) -> Node:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        if char == "^":
            return Node("empty", "^")
        if char == "$":
            return Node("empty", r"\Z")
        if char == ".":
            return Node("set", r"[^\n\r\u2028\u2029]", (EVERY & ~_LINE_ENDS) | _OTHERS)
        if char in "*+?":
            raise PatternError("Nothing to repeat")
        return _literal(char)

    def _group(self) -> Node:
        start = self._at - 1
        opening = "("
        kind = "group"
        if self._peek() == "?":
            name = _GROUP_NAME.match(self._source, start)
            lookaround = next((it for it in _LOOKAROUNDS if self._source.startswith(it, start)), None)
            if name:
                opening, self._at = f"(?P<{name[1]}>", name.end()
            elif lookaround:
                opening, kind, self._at = lookaround, "empty", start + len(lookaround)
            elif self._source.startswith("(?:", start):
                opening, self._at = "(?:", start + 3
            else:
                raise PatternError("Invalid group")
        inner = self._either()
        if self._peek() != ")":
            raise PatternError("Unterminated group")
        self._at += 1
        return Node(kind, opening, parts=[inner])

    def _escape(self) -> Node:
        char = self._take()
        if char in _CLASSES:
            return Node("set", *_CLASSES[char])
        if char in "bB":
            return Node("empty", "\\" + char)
        if char == "k" and (name := _NAME_REFERENCE.match(self._source, self._at - 1)):
            self._at = name.end()
            return Node("back", f"(?P={name[1]})", EVERY)
        if char in "123456789":
            while self._peek() in string.digits and self._peek():
                char += self._take()
            return Node("back", f"(?:\\{char})", EVERY)
        return _literal(self._escaped_char(char))

    def _escaped_char(self, char: str) -> str:
        if char in "pP" and self._peek() == "{":
            raise PatternError("Unicode properties are not supported")
        if char == "0" and self._peek() in tuple(string.digits):
            raise PatternError("Octal escapes are not supported")
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "c" and self._peek() in tuple(string.ascii_letters):
            return chr(ord(self._take()) % 32)
        for marker, length in (("x", 2), ("u", 4)):
            digits = self._source[self._at : self._at + length]
            if char == marker and len(digits) == length and all(it in string.hexdigits for it in digits):
                self._at += length
                return chr(int(digits, 16))
        return char

    def _class(self) -> Node:
        negated = self._peek() == "^"
        if negated:
            self._at += 1
        items: list[str] = []
        chars = 0
        while self._peek() != "]":
            first, first_set = self._class_atom()
            if first and self._peek() == "-" and self._source[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                last, last_set = self._class_atom()
                if not last:
                    items += [_in_class(first), r"\-", _set_in_class(last_set)]
                    chars |= mask(first + "-") | _CLASSES[last_set][1]
                    continue
                if first > last:
                    raise PatternError("Range out of order in character class")
                items.append(f"{_in_class(first)}-{_in_class(last)}")
                chars |= _span(first, last)
            elif first:
                items.append(_in_class(first))
                chars |= mask(first)
            else:
                items.append(_set_in_class(first_set))
                chars |= _CLASSES[first_set][1]
        self._at += 1
        if not items:
            return Node("set", r"[\s\S]", EVERY) if negated else Node("set", r"[^\s\S]", 0)
        if negated:
            return Node("set", f"[^{''.join(items)}]", (EVERY & ~chars) | _OTHERS)
        return Node("set", f"[{''.join(items)}]", chars)

    def _class_atom(self) -> tuple[str, str]:
        """One character of a class and "", or "" and the letter of a class such as `\\d`."""
        char = self._take()
        if char != "\\":
            return char, ""
        char = self._take()
        if char in _CLASSES:
            return "", char
        if char == "b":
            return "\b", ""
        if char in "123456789":
            raise PatternError("Octal escapes are not supported")
        return self._escaped_char(char), ""


def _literal(char: str) -> Node:
    return Node("set", re.escape(char), mask(char))


def _in_class(char: str) -> str:
    return (
        char if char.isalnum() else "\\" + char if char.isascii() and char.isprintable() else re.escape(char)
    )


def _set_in_class(letter: str) -> str:
    if letter == "s":
        return _SPACES
    return "\\" + letter


def _span(first: str, last: str) -> int:
    low, high = min(ord(first), CHARS - 1), min(ord(last), CHARS - 1)
    return ((1 << (high + 1)) - 1) & ~((1 << low) - 1)
