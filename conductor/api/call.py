"""One request as a handler sees it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from conductor.access.account import NOBODY, Account
from conductor.access.accounts import Credentials
from conductor.api import client
from conductor.signals import Actor
from shared import ids

Json = dict[str, Any]


class Encoded(NamedTuple):
    """An already encoded envelope: sent as it stands."""

    body: bytes
    tag: str = ""
    """Another one for other content: a client that has this answer is told so instead of sent it again."""
    repeated: bool = True
    """The same object is sent again and again."""


class UploadedFile(NamedTuple):
    """A file part on disk. It is removed after the request: move it to keep it."""

    field: str
    path: Path
    type: str
    name: str
    """The base name the client gave; may be empty."""
    size: int
    mtime: float
    sha256: str = ""
    """Of its content, in hexadecimal."""


Authenticate = Callable[["Call"], Awaitable[Account]]


class Call:
    """A request: who calls, with what.

    `params` are the merged parameters (by the endpoint's `takes`), without transport keys; `query` and
    `body` are the two parts, without credentials. `path_rest` is what follows `NAME[/vN]` in the path, still
    percent-encoded. `headers` go into the answer, whatever it is.
    """

    __slots__ = (
        "_authenticate",
        "_correlation_id",
        "_ips",
        "_public_ip_offset",
        "account",
        "body",
        "credentials",
        "files",
        "headers",
        "params",
        "path_rest",
        "query",
        "request",
        "versioned",
    )

    def __init__(
        self,
        request: web.BaseRequest,
        path_rest: str,
        versioned: bool,
        authenticate: Authenticate,
        public_ip_offset: int | None = None,
    ) -> None:
        self._authenticate = authenticate
        self.request = request
        self.path_rest = path_rest
        self.versioned = versioned
        self.account: Account = NOBODY
        self.credentials = Credentials()
        self.params: Json = {}
        self.query: Json = {}
        self.body: Json = {}
        self.files: list[UploadedFile] = []
        self.headers: dict[str, str] = {}
        self._correlation_id = ""
        self._ips: tuple[str, ...] = ()
        self._public_ip_offset = public_ip_offset

    async def require_account(self) -> Account:
        """For a handler that also takes other tokens: check the credentials as for `Auth.ACCOUNT`."""
        self.account = await self._authenticate(self)
        return self.account

    @property
    def ips(self) -> tuple[str, ...]:
        """Addresses of the client: what proxies claim first, the socket's last."""
        if not self._ips:
            self._ips = client.addresses(self.request)
        return self._ips

    @property
    def ip(self) -> str:
        """The address that stands for the client: the first public one, or the configured position."""
        return client.chosen(self.ips, self._public_ip_offset)

    @property
    def trusted_address(self) -> str:
        """The socket's address, or the one that the operator's proxies are known to write; no client makes it up."""
        return (self.request.remote or "") if self._public_ip_offset is None else self.ip

    @property
    def useragent(self) -> str:
        return client.readable(self.request.headers.get("User-Agent", ""))

    @property
    def correlation_id(self) -> str:
        """One per request: whatever it leads to carries it."""
        if not self._correlation_id:
            self._correlation_id = ids.story_id()
        return self._correlation_id

    @property
    def actor(self) -> Actor:
        return self.account.actor(self.ips, self.useragent, self.correlation_id)

    @property
    def secure(self) -> bool:
        """Whether the client came over HTTPS, possibly to a proxy in front."""
        return client.is_secure(self.request)
