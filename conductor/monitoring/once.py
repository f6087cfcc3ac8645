"""Trouble with a server's samples, told once: what is wrong with one is wrong each minute."""

from typing import Any

import structlog

_MOST = 10_000
"""Kinds of trouble remembered; beyond that nothing more is told until the next term."""


class Once:
    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._told: set[tuple[str, str]] = set()

    def warn(self, server_id: str, text: str, **facts: Any) -> None:
        if self._is_news(server_id, text):
            self._log.warning(text, server=server_id, **facts)

    def exception(self, server_id: str, text: str) -> None:
        """With the trace of the exception that is being handled."""
        if self._is_news(server_id, text):
            self._log.exception(text, server=server_id)

    def clear(self) -> None:
        self._told.clear()

    def _is_news(self, server_id: str, text: str) -> bool:
        if (server_id, text) in self._told or len(self._told) >= _MOST:
            return False
        self._told.add((server_id, text))
        return True
