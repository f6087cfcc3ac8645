"""The schema's revision: created on a new database, upgraded on an old one, refused on a newer one."""

import re
from pathlib import Path

import sqlalchemy as sa

from conductor.records.engines.contract import Engine
from conductor.records.tables import metadata

REVISION = "0012"
"""The newest revision in `migrations/versions`: what `tables` describes."""

MIGRATIONS = Path(__file__).parent / "migrations"

_VERSION_TABLE = "alembic_version"


class SchemaError(Exception):
    """The database cannot be used by this version of the conductor; the text says what to do."""


def prepare(engine: Engine, connection: sa.Connection) -> None:
    """Bring the database to REVISION. Safe when several conductors start at once: one does it, others wait.

    Raises SchemaError when the database was written by a newer version, sqlalchemy.exc.DBAPIError.
    """
    if _stored_revision(connection) == REVISION:
        return
    with engine.schema_lock(connection):
        stored = _stored_revision(connection)
        if stored == REVISION:
            return
        if stored is None:
            _create(connection)
        elif stored in known_revisions():
            _upgrade(connection)
        else:
            raise SchemaError(
                f"The database has schema revision {stored}, this version knows up to {REVISION}: "
                "it was used by a newer version. Start that one, or restore a backup from before."
            )


def known_revisions() -> list[str]:
    """Every revision this version can upgrade from, oldest first."""
    files = sorted((MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    named = (re.search(r'^revision = "(\w+)"', file.read_text(), re.MULTILINE) for file in files)
    return [match[1] for match in named if match]


def _stored_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION_TABLE):
        return None
    stored: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()  # noqa: S608
    return stored


def _create(connection: sa.Connection) -> None:
    """Everything at once: a new installation need not replay history, nor load the migration tool."""
    metadata.create_all(connection)
    connection.exec_driver_sql(
        f"CREATE TABLE {_VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {_VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO {_VERSION_TABLE} VALUES ('{REVISION}')")  # noqa: S608


def _upgrade(connection: sa.Connection) -> None:
    # Loading Alembic costs a fifth of a second, which only an upgrade need pay.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
