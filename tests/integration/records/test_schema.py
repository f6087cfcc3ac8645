"""A database is created, upgraded, or refused."""

import asyncio

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from conductor.errors import Unavailable
from conductor.records import schema
from conductor.records.documents import Documents
from conductor.records.schema import REVISION, SchemaError
from conductor.records.store import Records
from conductor.records.tables import metadata, users


def driver_url(url: str) -> sa.URL:
    return sa.make_url(url.replace("postgresql:", "postgresql+psycopg:"))


def differences(url: str) -> list[object]:
    engine = sa.create_engine(driver_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(driver_url(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


async def test_a_new_database_has_the_tables(database_url: str) -> None:
    await (await Records.open(database_url)).close()
    assert differences(database_url) == []


async def test_documents_survive_a_second_start(database_url: str) -> None:
    records = await Records.open(database_url)
    await Documents(records, users).put("ann", {"name": "Ann"})
    await records.close()
    records = await Records.open(database_url)
    assert await Documents(records, users).get("ann") == {"name": "Ann"}
    await records.close()


async def test_the_steps_from_the_first_revision_lead_to_the_same_tables(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An older database: stamped with a revision before the first, so that every step is run.
    execute(
        database_url,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    )
    monkeypatch.setattr(schema, "_create", schema._upgrade)
    records = await Records.open(database_url)
    await records.close()
    assert differences(database_url) == []
    engine = sa.create_engine(driver_url(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [
            REVISION
        ]


def test_the_newest_step_is_the_revision_that_is_stamped() -> None:
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_current_head() == REVISION
    assert schema.known_revisions()[-1] == REVISION


async def test_a_newer_database_is_refused(database_url: str) -> None:
    await (await Records.open(database_url)).close()
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="9999"):
        await Records.open(database_url)


async def test_several_conductors_may_start_at_once(database_url: str) -> None:
    opened = await asyncio.gather(*(Records.open(database_url, readers=1) for _ in range(4)))
    for records in opened:
        await records.close()
    assert differences(database_url) == []


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////no/such/folder/x.db", "mysql://x/y", "nonsense"],
)
async def test_a_database_that_cannot_be_opened_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        await Records.open(url)
