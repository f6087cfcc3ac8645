"""A JSON document that somebody else publishes, fetched seldom and kept on disk for when nobody answers."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog

from conductor.administration.ports import Web
from conductor.errors import Refusal

_MOST = 32 * 1024**2
_TIMEOUT = 15.0
_RETRY = 60.0
"""Seconds before somebody who did not answer is asked again, while there is an older copy."""

log = structlog.get_logger(__name__)


class Kept:
    """One document. Callers wait for the first copy alone; later ones are fetched once for all of them."""

    def __init__(self, file: Path, usable: Callable[[Any], bool]) -> None:
        self._file = file
        self._usable = usable
        self._document: Any = None
        self._url = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def get(self, web: Web, url: str, ttl: float) -> Any:
        """The document, at most `ttl` seconds old where its publisher answers. Raises Refusal."""
        async with self._lock:
            if self._document is not None and self._url == url and time.monotonic() < self._until:
                return self._document
            try:
                self._document = self._decoded(await web.get(url, most=_MOST, timeout=_TIMEOUT))
                self._until = time.monotonic() + ttl
                await asyncio.to_thread(self._save, url)
            except Refusal as refusal:
                if self._document is None or self._url != url:
                    self._document = await asyncio.to_thread(self._load, url)
                if self._document is None:
                    raise
                self._until = time.monotonic() + min(ttl, _RETRY)
                log.info("an older copy is used", url=url, reason=refusal.description)
            self._url = url
            return self._document

    def _decoded(self, body: bytes) -> Any:
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refusal("internal", f"What came is no JSON: {error}") from None
        if not self._usable(document):
            raise Refusal("internal", "What came is not what was asked for")
        return document

    def _save(self, url: str) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode({"url": url, "document": self._document}))
            fresh.replace(self._file)
        except OSError as error:
            log.warning("a copy could not be kept", file=str(self._file), error=str(error))

    def _load(self, url: str) -> Any:
        try:
            kept = msgspec.json.decode(self._file.read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        document = kept.get("document") if isinstance(kept, dict) and kept.get("url") == url else None
        return document if document is not None and self._usable(document) else None
