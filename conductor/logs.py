"""Logging: structlog to standard error, as JSON lines or for a terminal."""

import logging
import sys

import structlog

from conductor.settings import Settings


def configure(settings: Settings) -> None:
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(() if console else (structlog.processors.format_exc_info,)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class Once:
    """Whether something is said for the first time: what others can make us log is logged once, not at each try."""

    def __init__(self, most: int = 1000) -> None:
        self._said: set[tuple[str, ...]] = set()
        self._most = most

    def __call__(self, *what: str) -> bool:
        if what in self._said:
            return False
        if len(self._said) >= self._most:
            self._said.clear()
        self._said.add(what)
        return True
