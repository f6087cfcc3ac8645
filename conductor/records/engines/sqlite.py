"""SQLite in one file: write-ahead log, so that readers and the writer never wait for each other."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

_BUSY_SECONDS = 15.0  # another process may hold the lock: a backup, a command-line tool
_CACHE_KIB = 16 * 1024
_MMAP_BYTES = 256 * 1024**2
_STATEMENTS = 512  # prepared statements kept by each connection; bulk inserts come in several lengths
_TRANSIENT = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SQLite:
    """A commit survives a crash of the process; with `strict` also a power loss."""

    dialect = "sqlite"
    max_parameters = 30_000
    read_fence = "SELECT epoch FROM fence"  # `begin` has locked everybody out

    def __init__(self, url: sa.URL, strict: bool) -> None:
        self._engine = sa.create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            execution_options={"preserve_rowcount": True},  # of inserts too
            connect_args={
                "check_same_thread": False,  # `interrupt` comes from another thread
                "cached_statements": _STATEMENTS,
                "timeout": _BUSY_SECONDS,
            },
        )
        self._synchronous = "FULL" if strict else "NORMAL"

    def connect_writer(self) -> sa.Connection:
        connection = self._connect()
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.exec_driver_sql(f"PRAGMA synchronous = {self._synchronous}")
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        return connection

    def connect_reader(self) -> sa.Connection:
        connection = self._connect()
        connection.exec_driver_sql("PRAGMA query_only = ON")
        return connection

    def begin(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def is_transient(self, error: Exception) -> bool:
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
        return code & 0xFF in _TRANSIENT

    def interrupt(self, connection: sa.Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if driver is not None:
            driver.interrupt()

    @contextmanager
    def schema_lock(self, connection: sa.Connection) -> Iterator[None]:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")

    def dispose(self) -> None:
        self._engine.dispose()

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect()
        connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.exec_driver_sql(f"PRAGMA mmap_size = {_MMAP_BYTES}")
        connection.exec_driver_sql("PRAGMA temp_store = MEMORY")
        return connection
