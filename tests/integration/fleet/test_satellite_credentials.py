"""Credentials on both databases: what is stored, and that no key is."""

import sqlalchemy as sa

from conductor.announcer import Signals
from conductor.fleet.credentials import Credentials
from conductor.fleet.roster import Roster
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import SYSTEM
from shared.protocol import tokens

SECRET = "secret of the cluster"


def credentials(records: Records, **changes: object) -> Credentials:
    settings = Settings(secret_key=SECRET)
    for name, value in changes.items():
        setattr(settings, name, value)
    return Credentials(Documents(records, tables.satellite_credentials), Roster("1"), settings, Signals())


async def test_changes_are_loaded_by_the_next_term(records: Records) -> None:
    before = credentials(records)
    await before.rotate("s1", SYSTEM)
    await before.revoke("s2", SYSTEM)
    after = credentials(records)
    assert after.of("s1").generation == 0
    await after.load()
    assert after.of("s1") == before.of("s1")
    assert after.of("s2").revoked
    assert after.token("s1") == before.token("s1") != tokens.server_token("s1", SECRET)
    after.forget()
    assert after.of("s2") == credentials(records).of("s2")


async def test_no_key_is_stored(records: Records) -> None:
    one = credentials(records)
    await one.rotate("s1", SYSTEM)
    stored = await records.read(
        lambda connection: connection.execute(sa.select(tables.satellite_credentials.c.doc)).scalars().all()
    )
    text = b"".join(stored).decode()
    assert "s1" in text
    for secret in (SECRET, one.token("s1"), tokens.server_token("s1", SECRET)):
        assert secret not in text


async def test_a_used_key_ends_the_one_before_it(records: Records) -> None:
    one = credentials(records)
    old = one.token("s1")
    await one.rotate("s1", SYSTEM)
    await one.joined("s1", old)
    assert one.opens("s1", old)
    await one.joined("s1", one.token("s1"))
    assert not one.opens("s1", old)
    again = credentials(records)
    await again.load()
    assert not again.opens("s1", old)


async def test_a_changed_cluster_secret_lets_satellites_come_back_once(records: Records) -> None:
    """Better 8: a key rotated during an outage needed a new installation by hand."""
    old = credentials(records).token("s1")
    changed = credentials(records, secret_key="next", previous_secret_keys=[SECRET])
    assert changed.by_token("s1", old, "n") == old
    assert changed.token("s1") != old
    assert not credentials(records, secret_key="next").opens("s1", old)


async def test_signatures_are_of_the_server_and_of_the_job(records: Records) -> None:
    one = credentials(records)
    token = one.token("s1")
    assert one.signed("s1", token, "j1")
    assert one.signed("s1", tokens.runner_token("j1", token), "j1")
    assert not one.signed("s1", tokens.runner_token("j2", token), "j1")
    assert not one.signed("s2", token, "j1")
