"""A plugin's command line becomes an argument list, without a shell (contract satellite_agent.md §5.4). Pure.

Quotes and backslashes work as in a POSIX shell, `$NAME` and `${NAME}` come from the job's environment; an
unset name is empty. Nothing else is special: `* ? | > < & ; ( ) #` are text.
"""

import re
from collections.abc import Mapping, Sequence

BUILT_IN = re.compile(r"\[([\w\-]+)\]")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_BLANK = " \t\r\n"


_SHELL_WORDS = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>&1", "2>", "*"})


class CommandLineError(ValueError):
    """The quotes do not match, or there is no command at all."""


def arguments(command: str, environment: Mapping[str, str]) -> list[str]:
    """Raises CommandLineError."""
    executable, *rest = command.split(maxsplit=1) or [""]
    if not executable:
        raise CommandLineError("The command is empty")
    return [executable, *_words(rest[0] if rest else "", environment)]


def taken_literally(argv: Sequence[str]) -> list[str]:
    """Arguments that a shell would act on and that are plain text here."""
    return sorted(_SHELL_WORDS.intersection(argv))


def _words(text: str, environment: Mapping[str, str]) -> list[str]:
    words: list[str] = []
    word: str | None = None
    place, length = 0, len(text)
    while place < length:
        character = text[place]
        if character in _BLANK:
            if word is not None:
                words.append(word)
                word = None
            place += 1
            continue
        word = word or ""
        if character == "'":
            end = text.find("'", place + 1)
            if end < 0:
                raise CommandLineError("A single quote is not closed")
            word += text[place + 1 : end]
            place = end + 1
        elif character == '"':
            quoted, place = _quoted(text, place + 1, environment)
            word += quoted
        elif character == "\\" and place + 1 < length:
            word += text[place + 1]
            place += 2
        else:
            piece, place = _plain(text, place, environment)
            word += piece
    if word is not None:
        words.append(word)
    return words


def _quoted(text: str, place: int, environment: Mapping[str, str]) -> tuple[str, int]:
    result = ""
    while place < len(text):
        character = text[place]
        if character == '"':
            return result, place + 1
        if character == "\\" and place + 1 < len(text) and text[place + 1] in '"\\$`':
            result += text[place + 1]
            place += 2
        else:
            piece, place = _plain(text, place, environment)
            result += piece
    raise CommandLineError("A double quote is not closed")


def _plain(text: str, place: int, environment: Mapping[str, str]) -> tuple[str, int]:
    """One character, or the variable that begins here."""
    if text[place] == "$":
        match = _VARIABLE.match(text, place)
        if match:
            return environment.get(match[1] or match[2], ""), match.end()
    return text[place], place + 1
