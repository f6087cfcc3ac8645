"""What this room needs of others, as the composition root provides it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from conductor.errors import Unavailable


class Browsers(Protocol):
    """The browsers that are connected now."""

    def notify(self, usernames: Iterable[str], data: Mapping[str, Any], /) -> None: ...

    def broadcast(self, cmd: str, data: Mapping[str, Any], /) -> None: ...


class Mailer(Protocol):
    """Sends mail; never raises for trouble with it."""

    async def send_template(
        self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = ()
    ) -> object: ...


class NoBrowsers:
    """Nobody is looking."""

    def notify(self, usernames: Iterable[str], data: Mapping[str, Any], /) -> None: ...

    def broadcast(self, cmd: str, data: Mapping[str, Any], /) -> None: ...


class NoMailer:
    """Mail goes nowhere."""

    async def send_template(
        self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = ()
    ) -> None: ...


class Web(Protocol):
    """Asks other servers, within the air gap's rules."""

    async def get(self, url: str, /, *, most: int, timeout: float) -> bytes:
        """The body of a 2xx answer of at most `most` bytes. Raises Refusal for anything else."""
        ...


class NoWeb:
    """Nobody is asked."""

    async def get(self, url: str, /, *, most: int, timeout: float) -> bytes:
        raise Unavailable("This conductor cannot ask other servers.")
