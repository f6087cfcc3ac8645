"""Logging: structlog to standard error, as JSON lines or for a terminal, and to a file that turns over each day.

The file is always JSON lines, one for each entry: what `administration.log_search` reads. A thread of the
standard library's writes it, so that neither a slow disk nor the day's change holds up the event loop.
"""

import atexit
import gzip
import logging
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

import structlog

from conductor.settings import Settings

FILE = "conductor.log"
_QUEUED = 10_000
"""Entries that wait for the disk; more are dropped."""


class _Named(structlog.PrintLogger):
    """Prints, and tells which module speaks."""

    def __init__(self, name: str, file: TextIO) -> None:
        super().__init__(file)
        self.name = name


def configure(settings: Settings, folder: Path | None = None) -> None:
    """`folder`: where the log file is kept; without one there is none."""
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(() if folder is None else (_Recorder(folder, settings.log_keep_days),)),
            *(() if console else (structlog.processors.format_exc_info,)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _Named(str(names[0]) if names else "", sys.stderr),
        cache_logger_on_first_use=True,
    )


class _Recorder:
    """Hands each entry to the thread that writes the file, and passes it on as it is."""

    def __init__(self, folder: Path, keep_days: int) -> None:
        from logging.handlers import QueueHandler, QueueListener, TimedRotatingFileHandler
        from queue import Queue

        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = TimedRotatingFileHandler(
            folder / FILE, when="midnight", backupCount=max(keep_days, 1), encoding="utf-8", delay=True
        )
        file.namer = _archived
        file.rotator = _compress
        file.handleError = _ignore  # type: ignore[method-assign]
        queue: Queue[Any] = Queue(_QUEUED)
        self._handler = QueueHandler(queue)
        self._handler.handleError = _ignore  # type: ignore[method-assign]
        listener = QueueListener(queue, file)
        listener.start()
        atexit.register(listener.stop)
        self._host = socket.gethostname()
        self._pid = os.getpid()
        self._encode = structlog.processors.JSONRenderer()

    def __call__(self, logger: Any, method: str, entry: Any) -> Any:
        kept = {**entry, "logger": getattr(logger, "name", ""), "host": self._host, "pid": self._pid}
        text = self._encode(logger, method, structlog.processors.format_exc_info(logger, method, kept))
        self._handler.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))
        return entry


def _archived(name: str) -> str:
    """`conductor.log.2026-05-17` becomes `conductor.log.2026-05-17.gz`."""
    return f"{name}.gz"


def _compress(source: str, target: str) -> None:
    with open(source, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.unlink(source)


def _ignore(record: logging.LogRecord) -> None:
    """A log that cannot be written stops nobody."""


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
