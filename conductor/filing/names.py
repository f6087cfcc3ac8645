"""Names and storage paths of uploaded files (contract api/README.md §11, api/files.yaml `path_rules`). Pure.

Paths keep the case of their random part: lower-casing it would throw its entropy away.
"""

import re
import secrets
from collections.abc import Iterable

_NOT_SHOWN = re.compile(r"[^A-Za-z0-9_\-+., ()\[\]{}'\"!&^%$#@*?~]+")
_NOT_IN_URLS = re.compile(r"[^A-Za-z0-9_\-.]+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9_]+$")
_LONGEST = 200  # with a random folder and a suffix it stays below what file systems take
_LONGEST_EXTENSION = 20
_RANDOM_BYTES = 32
_UNNAMED = "file"
_ROOMS = frozenset({"jobs", "bucket", "magic", "plugins"})


def base_name(name: str) -> str:
    """Without folders, of either kind of slash, and NUL."""
    return name.replace("\\", "/").rpartition("/")[2].replace("\0", "")


def display_name(name: str) -> str:
    """The name that people see: letters keep their case, other characters than the contract's become `_`."""
    return _cleaned(name, _NOT_SHOWN)


def url_name(name: str) -> str:
    """The normalised name: names that are equal so are one file in a bucket."""
    return _cleaned(name, _NOT_IN_URLS).lower()


def stored_name(name: str) -> str:
    """The last segment of a storage path: normalised, and never without an extension."""
    return with_extension(url_name(name))


def cased_name(name: str) -> str:
    """As `stored_name`, with its case kept (contract: `upload_files`)."""
    return with_extension(_cleaned(name, _NOT_IN_URLS))


def with_extension(name: str) -> str:
    return name if _EXTENSION.search(name) else f"{name}.bin"


def random_part() -> str:
    """43 URL-safe characters: who knows them may fetch the file."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def user_folder(username: str) -> str:
    """The folder of a user or an API key; never one of the rooms that belong to jobs, buckets and so on."""
    name = _cleaned(username, _NOT_IN_URLS)
    return f"{name}_" if name in _ROOMS else name


def distinct(names: Iterable[str]) -> list[str]:
    """The same names, those that come again with a number before their extension."""
    taken: set[str] = set()
    result = []
    for name in names:
        stem, dot, extension = name.rpartition(".")
        unique, number = name, 2
        while unique in taken:
            unique = f"{stem}-{number}.{extension}" if dot else f"{name}-{number}"
            number += 1
        taken.add(unique)
        result.append(unique)
    return result


def _cleaned(name: str, unwanted: "re.Pattern[str]") -> str:
    text = unwanted.sub("_", base_name(name))
    if not text.strip(". "):
        return _UNNAMED
    if len(text) > _LONGEST:
        extension = _EXTENSION.search(text[-_LONGEST_EXTENSION:])
        end = extension[0] if extension else ""
        text = text[: _LONGEST - len(end)] + end
    return text
