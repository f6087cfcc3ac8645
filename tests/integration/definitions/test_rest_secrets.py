"""Earlier values of secrets, their expiry and their uses (api/secrets.yaml and platform.md, "Where to be better")."""

import pytest
import sqlalchemy as sa

from conductor.definitions.secret_uses import SecretUses
from conductor.definitions.secret_versions import KEPT
from conductor.errors import Refusal
from conductor.records.store import Records
from conductor.records.tables import secret_uses, secret_versions
from conductor.signals import SecretUsed
from shared import clock
from tests.integration.definitions.test_vault import ANN, BY, KEY, Kept, fields, kept, reopened

__all__ = ["kept"]


async def test_rest_secrets_yaml_earlier_values_are_kept_sealed(records: Records, kept: Kept) -> None:
    """No versions or rollback."""
    id = await kept.create(fields=fields(A="first"))
    assert await kept.vault.earlier(id) == []
    await kept.update(id, title="no values changed")
    await kept.update(id, fields=fields(A="first"))
    assert await kept.vault.earlier(id) == [], "what is the same is no version"
    await kept.update(id, fields=fields(A="second", B="2"))
    [one] = await kept.vault.earlier(id)
    assert one["names"] == ["A"]
    assert await kept.vault.fields_before(id, one["replaced"]) == fields(A="first")
    with pytest.raises(Refusal, match="no such version"):
        await kept.vault.fields_before(id, 5)
    stored = await records.read(lambda sql: sql.execute(sa.select(secret_versions.c.doc)).scalars().all())
    assert stored
    assert not any(b"first" in doc for doc in stored)


async def test_rest_secrets_yaml_versions_go_with_their_secret_and_have_an_end(
    records: Records, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [clock.now()]
    monkeypatch.setattr("conductor.definitions.secret_versions.now", lambda: moment[0])
    id = await kept.create(fields=fields(A="0"))
    for number in range(KEPT + 3):
        moment[0] += 1
        await kept.update(id, fields=fields(A=str(number + 1)))
    listed = await kept.vault.earlier(id)
    assert len(listed) == KEPT
    assert await kept.vault.fields_before(id, listed[0]["replaced"]) == fields(A=str(KEPT + 2))
    await kept.definitions.delete("secrets", id, actor=ANN, by=BY)
    assert await kept.vault.earlier(id) == []


async def test_rest_secrets_yaml_versions_outlive_a_change_of_the_key(records: Records, kept: Kept) -> None:
    id = await kept.create(fields=fields(A="first"))
    await kept.update(id, fields=fields(A="second"))
    await kept.vault.rotate(KEY, "another key")
    [one] = await kept.vault.earlier(id)
    assert await kept.vault.fields_before(id, one["replaced"]) == fields(A="first")
    other = await reopened(records, "another key")
    assert await other.vault.fields_before(id, one["replaced"]) == fields(A="first")


async def test_rest_secrets_yaml_an_expired_secret_is_not_handed_out(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No expiry. It ends in the middle of a term, without anybody changing it."""
    moment = [clock.now()]
    monkeypatch.setattr("conductor.definitions.vault.now", lambda: moment[0])
    id = await kept.create(fields=fields(A="1"), plugins=["shellplug"], expires=moment[0] + 60)
    assert kept.secrets.of_plugin("shellplug") == {"A": "1"}
    moment[0] += 60
    assert kept.secrets.of_plugin("shellplug") == {}
    await kept.update(id, expires=0)
    assert kept.secrets.of_plugin("shellplug") == {"A": "1"}
    with pytest.raises(Refusal, match="expires"):
        await kept.update(id, expires="soon")


async def test_rest_platform_10_each_use_is_counted_by_consumer(records: Records) -> None:
    """No per-use audit record; no usage report."""
    uses = SecretUses(records)
    for consumer in (("plugins", "shellplug"), ("plugins", "shellplug"), ("events", "e1")):
        await uses.observe(SecretUsed(secret_id="z1", used_by=consumer))
    await uses.flush()
    await uses.observe(SecretUsed(secret_id="z1", used_by=("events", "e1")))
    await uses.observe(SecretUsed(secret_id="z2", used_by=("events", "e1")))
    told = {(one["type"], one["id"]): one["count"] for one in await SecretUses(records).of("z1")}
    assert told == {("plugins", "shellplug"): 2, ("events", "e1"): 1}, "what is not flushed yet"
    told = {(one["type"], one["id"]): one["count"] for one in await uses.of("z1")}
    assert told == {("plugins", "shellplug"): 2, ("events", "e1"): 2}
    await uses.drop("z1")
    assert await uses.of("z1") == []
    rows = await records.read(lambda sql: sql.execute(sa.select(secret_uses.c.id)).scalars().all())
    assert rows == ["z2"]
