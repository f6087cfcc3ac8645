"""What an endpoint is: a declaration from which everything around its handler follows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from aiohttp import web

from conductor.api.call import Call, Encoded
from conductor.filing.uploads import UploadRules

__all__ = [
    "Auth",
    "DefinitionId",
    "Encoded",
    "Endpoint",
    "NoParams",
    "Result",
    "Takes",
    "Text",
    "WordId",
    "changing",
]

P = TypeVar("P")

Result = Mapping[str, Any] | Encoded | web.StreamResponse

DefinitionId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]+$(?!\n)")]
"""The ID of a definition, as clients may choose it (contract api/README.md §10.8)."""

WordId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]+$(?!\n)")]
"""Any ID of ours, older ones included."""

Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""A string that is not blank."""


class NoParams(msgspec.Struct, kw_only=True):
    """The parameters of an endpoint that declares none."""


class Auth(Enum):
    """Who may call."""

    NONE = auto()
    ACCOUNT = auto()
    """A session or an API key."""
    SESSION = auto()
    """A session only: what belongs to a person."""
    ADMIN = auto()
    TOKEN = auto()
    """The handler checks a token of its own."""


class Takes(Enum):
    """Where the parameters come from (contract api/README.md §2.1)."""

    NONE = auto()
    BODY = auto()
    MERGED = auto()
    """Body and query; the query wins."""
    BODY_WINS = auto()


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[P]):
    """One URL `/api/NAMESPACE/NAME[/vN]`.

    `params` is a msgspec struct; keys it does not name are ignored by it and stay in `Call.params`.
    """

    name: str
    handler: Callable[[Call, P], Awaitable[Result]]
    params: type[P]
    summary: str
    namespace: str = "app"
    methods: tuple[str, ...] = ("GET", "POST")
    """The methods that can carry its input, for the documentation; none is refused."""
    auth: Auth = Auth.ACCOUNT
    privilege: str | None = None
    takes: Takes = Takes.MERGED
    result: type | None = None
    primary_only: bool = True
    mutates: bool = False
    """It changes something: the general rules of contract §11 hold, and no GET by cookie is accepted."""
    empty_files: bool = False
    """File parts without content are accepted."""
    uploads: UploadRules | None = None
    """Limits of its file parts; a request is broken off as soon as it passes one."""
    admit: Callable[[Call, Mapping[str, Any]], Awaitable[None]] | None = None
    """Called before the first file part with the fields so far: refuses strangers before they fill the disk."""
    enrolling: bool = False
    """Open to sessions that are good for setting up a second factor alone (`User.require_mfa`)."""
    status_always: bool = False
    """Errors carry their status on unversioned URLs too (the family /api/app/satellite)."""


def changing(
    name: str,
    handler: Callable[[Call, P], Awaitable[Result]],
    params: type[P],
    summary: str,
    privilege: str,
    *,
    body: bool = False,
) -> Endpoint[P]:
    """A call that changes something and asks for a privilege. `body`: its parameters come in the body alone."""
    return Endpoint(
        name,
        handler,
        params,
        summary,
        privilege=privilege,
        methods=("POST",) if body else ("GET", "POST"),
        takes=Takes.BODY if body else Takes.MERGED,
        mutates=True,
    )
