"""PostgreSQL through psycopg 3, for clusters of conductors."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

_CONNECT_SECONDS = 5
_READ_SECONDS = 30  # a reader's statement ends here even if nobody waits for it any more
_WRITE_SECONDS = 60
_IDLE_SECONDS = 2  # a writer that fell asleep in a transaction must not hold up the next primary
_SCHEMA_LOCK = 0x6F70736F72626974  # the advisory lock's number, ours alone: "opsorbit" in ASCII

_KEEPALIVE = {
    # A server that vanishes without a word is noticed within some ten seconds.
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class PostgreSQL:
    """A commit survives what the server's own settings promise; `strict` refuses an asynchronous commit."""

    dialect = "postgresql"
    max_parameters = 60_000
    read_fence = "SELECT epoch FROM fence FOR SHARE"

    def __init__(self, url: sa.URL, strict: bool) -> None:
        self._engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            execution_options={"preserve_rowcount": True},  # of inserts too
            paramstyle="format",
            connect_args={**_KEEPALIVE, "application_name": "opsorbit"},
        )
        self._strict = strict

    def connect_writer(self) -> sa.Connection:
        connection = self._engine.connect()
        connection.exec_driver_sql(f"SET statement_timeout = '{_WRITE_SECONDS}s'")
        connection.exec_driver_sql(f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'")
        if self._strict:
            connection.exec_driver_sql("SET synchronous_commit = on")
        return connection

    def connect_reader(self) -> sa.Connection:
        connection = self._engine.connect()
        connection.exec_driver_sql(f"SET statement_timeout = '{_READ_SECONDS}s'")
        connection.exec_driver_sql("SET default_transaction_read_only = on")
        return connection

    def begin(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    def is_transient(self, error: Exception) -> bool:
        return isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated

    def interrupt(self, connection: sa.Connection) -> None:
        """Left to the statement time-out: a cancel request would block the caller on the network."""

    @contextmanager
    def schema_lock(self, connection: sa.Connection) -> Iterator[None]:
        connection.exec_driver_sql("BEGIN")
        try:
            # Held to the end of the transaction, however that comes.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            yield
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")

    def dispose(self) -> None:
        self._engine.dispose()
