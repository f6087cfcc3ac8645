"""Whose a stored file is, and whether its path alone opens it (contract api/files.yaml). Pure."""

import re
from typing import Literal, NamedTuple

ROOT = "files/"

_SEGMENT = re.compile(r"[A-Za-z0-9_\-.]+")
_RANDOM = re.compile(r"[A-Za-z0-9_\-]{22,64}")
_LONGEST = 1024
_RANDOM_DEPTH = 4
"""Segments of the shortest path with a random one: files/USER/RANDOM/name."""

Kind = Literal["job", "bucket", "other"]
Access = Literal["path", "browsers", "signed"]


class Place(NamedTuple):
    """`secret`: the path holds a random part, so that knowing it is a permission of its own."""

    kind: Kind
    owner: str
    """ID of the job or bucket."""
    secret: bool


def storage_key(path: str) -> str | None:
    """The storage key that a URL's path asks for; None for one that cannot be stored.

    Nothing is decoded and nothing is repaired: a path with a `.` or `..`, an empty segment, a percent sign or
    any other character that paths never have is nobody's.
    """
    key = path.removesuffix("/") if path.count("/") else path
    segments = key.split("/")
    if len(key) > _LONGEST or any(
        not _SEGMENT.fullmatch(segment) or segment in (".", "..") for segment in segments
    ):
        return None
    return key


def place(key: str) -> Place:
    segments = key.split("/")
    secret = len(segments) >= _RANDOM_DEPTH and bool(_RANDOM.fullmatch(segments[-2]))
    if segments[0] == "files" and len(segments) > _RANDOM_DEPTH:
        if segments[1] == "jobs":
            return Place("job", segments[2], secret)
        if segments[1] == "bucket":
            return Place("bucket", segments[2], secret)
    return Place("other", "", secret)


def needs_credentials(place: Place, access: Access, *, browser: bool) -> bool:
    """Whether more than the path is asked for: a login, or a signed URL.

    `browser`: the request says that a browser made it. Agents of the original fetch by path alone, so that
    this is never asked of them unless the operator wants every URL signed.
    """
    if not place.secret or access == "signed":
        return True
    return access == "browsers" and browser
