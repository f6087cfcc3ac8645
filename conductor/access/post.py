"""Mail to account holders: sent in the background, since nobody who logs in should wait for a mail server."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog

_MOST_WAITING = 200
_SEND_SECONDS = 120.0

log = structlog.get_logger(__name__)


class Delivery(Protocol):
    """What became of a mail; `code` 0 is sent, or skipped on purpose."""

    @property
    def code(self) -> int | str: ...

    @property
    def description(self) -> str: ...


class Mailer(Protocol):
    """Renders a template and sends it. Never raises for a mail server's trouble."""

    async def send_template(
        self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = ()
    ) -> Delivery: ...


def date_time(moment: float) -> str:
    """A moment as letters write it, in the conductor's time zone."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


class Post:
    """Takes letters at once and sends them one after another while `run` runs.

    `mailer` may be given later; without one, letters are dropped.
    """

    def __init__(self, mailer: Mailer | None = None) -> None:
        self.mailer = mailer
        self._letters: asyncio.Queue[tuple[str, Mapping[str, Any], str]] = asyncio.Queue(_MOST_WAITING)

    def send(self, template: str, data: Mapping[str, Any], to: str) -> None:
        """Never waits. A letter too many is dropped: its sender is a person who can ask again."""
        if self.mailer is None or not to:
            return
        try:
            self._letters.put_nowait((template, data, to))
        except asyncio.QueueFull:
            log.warning("too many mails are waiting, one was dropped", template=template)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            template, data, to = await self._letters.get()
            try:
                if self.mailer is not None:
                    async with asyncio.timeout(_SEND_SECONDS):
                        delivery = await self.mailer.send_template(template, data, to=[to])
                    if delivery.code != 0:
                        log.warning("a mail was not sent", template=template, reason=delivery.description)
            except TimeoutError:
                log.warning("a mail was not sent in time", template=template)
            except Exception:
                log.exception("a mail could not be sent", template=template)
            finally:
                self._letters.task_done()
