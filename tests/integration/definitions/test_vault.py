"""Values of secrets in a real database: where they are, where they are not, and who is handed which."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from conductor.announcer import Signals
from conductor.audit.rows import row
from conductor.definitions.defaults import seed
from conductor.definitions.repository import Definitions
from conductor.definitions.sealing import Seal
from conductor.definitions.vault import Secrets, Vault
from conductor.definitions.writer import House
from conductor.errors import Refusal, Unavailable
from conductor.records.store import Records, Write
from conductor.records.tables import metadata, secret_values
from conductor.signals import Actor, SecretUsed, Signal

ANN, BY = Actor(kind="user", id="ann"), House("ann")
KEY = "the key of this installation"
VALUE = "horse-battery-staple"


class Kept:
    """Definitions with their vault, and all that they announce."""

    def __init__(self, records: Records, key: str = KEY) -> None:
        self.announced: list[Signal] = []
        signals = Signals()
        signals.publish = self.announced.append  # type: ignore[method-assign]
        self.vault = Vault(records, key)
        self.definitions = Definitions(records, signals, apart={"secrets": self.vault})
        self.secrets = Secrets(self.definitions, self.vault, signals)

    async def create(self, **doc: Any) -> str:
        made = await self.definitions.create("secrets", {"title": "Z", **doc}, actor=ANN, by=BY)
        return str(made["id"])

    async def update(self, id: str, **changes: Any) -> None:
        await self.definitions.update("secrets", id, changes, actor=ANN, by=BY)


@pytest.fixture
async def kept(records: Records) -> Kept:
    made = Kept(records)
    await made.definitions.load()
    await seed(made.definitions)
    return made


async def reopened(records: Records, key: str = KEY) -> Kept:
    other = Kept(records, key)
    await other.definitions.load()
    return other


def fields(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


async def test_the_life_of_a_secret(records: Records, kept: Kept) -> None:
    id = await kept.create(fields=fields(B=VALUE, A="2"), plugins=["shellplug"])
    assert kept.definitions.get("secrets", id).items() >= {"names": ["B", "A"]}.items()  # type: ignore[union-attr]
    assert await kept.vault.fields(id) == fields(B=VALUE, A="2")
    await kept.update(id, title="New")
    assert await kept.vault.fields(id) == fields(B=VALUE, A="2")
    await kept.update(id, fields=fields(C="3"))
    other = await reopened(records)
    assert other.definitions.get("secrets", id) == kept.definitions.get("secrets", id)
    assert other.secrets.of_plugin("shellplug") == {"C": "3"}
    await kept.definitions.delete("secrets", id, actor=ANN, by=BY)
    with pytest.raises(Refusal, match="no values") as refused:
        await kept.vault.fields(id)
    assert refused.value.code == "secret"
    assert (await reopened(records)).secrets.of_plugin("shellplug") == {}


async def test_values_are_nowhere_in_clear(records: Records, kept: Kept) -> None:
    """Not in the database, the documents, the signals or the activity rows made of them."""
    id = await kept.create(fields=fields(PASSWORD=VALUE), plugins=["shellplug"])
    await kept.update(id, fields=fields(PASSWORD=VALUE), notes="changed")
    assert kept.secrets.of_plugin("shellplug") == {"PASSWORD": VALUE}
    await kept.definitions.delete("secrets", id, actor=ANN, by=BY)
    await kept.create(fields=fields(PASSWORD=VALUE))

    def everything(connection: sa.Connection) -> str:
        tables = metadata.sorted_tables
        return repr([tuple(one) for table in tables for one in connection.execute(sa.select(table))])

    assert VALUE not in await records.read(everything)
    assert VALUE not in repr(kept.definitions.all("secrets"))
    assert VALUE not in repr(kept.announced)
    rows = [made for signal in kept.announced if (made := row(signal, id="a", epoch=0))]
    assert [made["action"] for made in rows][-4:] == [
        *("secret_create", "secret_update", "secret_delete", "secret_create")
    ]
    assert VALUE not in repr(rows)


async def test_a_failed_write_leaves_neither_half(
    records: Records, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better: metadata and values change together or not at all."""
    id = await kept.create(fields=fields(A="1"))
    write = records.write

    async def refused(*writes: Write, **options: Any) -> int:
        broken = Write(sa.text("INSERT INTO secret_values (id) VALUES (NULL)"), {})
        return await write(*writes, broken, **options)

    monkeypatch.setattr(records, "write", refused)
    with pytest.raises(Unavailable):
        await kept.create(id="half", fields=fields(A="1"))
    with pytest.raises(Unavailable):
        await kept.update(id, title="New", fields=fields(A="2"))
    monkeypatch.undo()
    for one in (kept, await reopened(records)):
        await one.update(id, notes="goes on")
        assert await one.vault.fields(id) == fields(A="1")
        assert one.definitions.get("secrets", "half") is None
    with pytest.raises(Refusal):
        await kept.vault.fields("half")


async def test_who_is_handed_what(kept: Kept) -> None:
    """Later ones win: event, workflow's event, workflow's category, category, plugin."""
    for id in ("e1", "w1"):
        event = {"id": id, "title": id, "enabled": True, "category": "general", "targets": ["main"]}
        made = event | {"plugin": "shellplug", "params": {"script": "true"}}
        await kept.definitions.create("events", made, actor=ANN, by=BY)
    await kept.definitions.create("categories", {"id": "other", "title": "O"}, actor=ANN, by=BY)
    everywhere = {name: name for name in ("EVENT", "FLOW", "FLOWCAT", "CAT", "PLUG")}
    await kept.create(fields=fields(V="event", **everywhere), events=["e1"])
    await kept.create(fields=fields(V="flow", FLOW="2"), events=["w1"])
    await kept.create(fields=fields(V="flowcat", FLOWCAT="3"), categories=["other"])
    await kept.create(fields=fields(V="cat", CAT="4"), categories=["general"])
    plug = await kept.create(fields=fields(V="plugin", PLUG="5"), plugins=["shellplug"])
    hook = await kept.create(id="zhook", fields=fields(KEY="k"), web_hooks=["example_hook"])
    before = len(kept.announced)
    assert kept.secrets.of_job("e1", "w1", "other", "general", "shellplug") == {
        "V": "plugin",
        "EVENT": "EVENT",
        "FLOW": "2",
        "FLOWCAT": "3",
        "CAT": "4",
        "PLUG": "5",
    }
    assert kept.secrets.of_job("e1")["V"] == "event"
    assert kept.secrets.of_web_hook("example_hook") == {"KEY": "k"}
    used = [signal for signal in kept.announced[before:] if isinstance(signal, SecretUsed)]
    assert [signal.used_by for signal in used] == [
        *(("events", "e1"), ("events", "w1"), ("categories", "other"), ("categories", "general")),
        *(("plugins", "shellplug"), ("events", "e1"), ("web_hooks", "example_hook")),
    ]
    assert used[4].secret_id == plug
    await kept.update(hook, enabled=False)
    assert kept.secrets.of_web_hook("example_hook") == {}
    await kept.definitions.delete("plugins", "shellplug", actor=ANN, by=BY)
    await kept.definitions.delete("events", "e1", actor=ANN, by=BY)
    assert kept.secrets.of_plugin("shellplug") == {}
    assert kept.definitions.get("secrets", plug).items() >= {"plugins": []}.items()  # type: ignore[union-attr]
    kept.vault.forget()
    assert kept.secrets.of_job("", category_id="general") == {}


async def test_rotation(records: Records, kept: Kept) -> None:
    id = await kept.create(fields=fields(A=VALUE), plugins=["shellplug"])
    assert await kept.vault.is_under(KEY) is True
    assert await kept.vault.rotate(KEY, "the next key") == 1
    assert (await kept.vault.is_under(KEY), await kept.vault.is_under("the next key")) == (False, True)
    await kept.create(fields=fields(B="2"), plugins=["shellplug"])
    after = await reopened(records, "the next key")
    assert after.secrets.of_plugin("shellplug") == {"A": VALUE, "B": "2"}
    assert await after.vault.fields(id) == fields(A=VALUE)


async def test_a_rotation_that_fails_changes_nothing(
    records: Records, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept.create(id="z1", fields=fields(A=VALUE))
    with pytest.raises(Refusal, match="z1"):
        await kept.vault.rotate("wrong", "next")

    async def away(*writes: Write, **options: Any) -> int:
        raise Unavailable("The database is away")

    monkeypatch.setattr(records, "write", away)
    with pytest.raises(Unavailable):
        await kept.vault.rotate(KEY, "next")
    monkeypatch.undo()
    with pytest.raises(Refusal, match="another secret_key"):  # perhaps it did happen: look first
        await kept.create(fields=fields(A="1"))
    await kept.definitions.load()
    await kept.create(fields=fields(A="1"))
    assert await kept.vault.fields("z1") == fields(A=VALUE)


async def test_a_secret_stored_during_a_rotation_is_not_left_under_the_old_key(
    records: Records, kept: Kept
) -> None:
    for number in range(3):
        await kept.create(id=f"z{number}", fields=fields(A=str(number)))
    made, _ = await asyncio.gather(kept.create(fields=fields(A="late")), kept.vault.rotate(KEY, "next"))
    await kept.update("z1", fields=fields(A="later"))
    after = await reopened(records, "next")
    assert [(await after.vault.fields(id))[0]["value"] for id in ("z0", "z1", "z2", made)] == [
        *("0", "later", "2", "late")
    ]


async def test_the_wrong_key_destroys_nothing(records: Records, kept: Kept) -> None:
    """Better: values under another key are noticed, and nothing new is mixed with them."""
    id = await kept.create(fields=fields(A=VALUE), plugins=["shellplug"])
    wrong = await reopened(records, "a typo")
    assert wrong.secrets.of_plugin("shellplug") == {}
    with pytest.raises(Refusal, match="cannot be decrypted"):
        await wrong.vault.fields(id)
    with pytest.raises(Refusal, match="another secret_key") as refused:
        await wrong.update(id, fields=fields(A="new"))
    assert refused.value.code == "secret"
    assert (await reopened(records)).secrets.of_plugin("shellplug") == {"A": VALUE}


async def test_import_and_export_in_the_originals_form(records: Records, kept: Kept) -> None:
    id = await kept.create(fields=fields(A="1"))
    theirs = Seal("their key").seal_for_interchange(id, fields(B=VALUE))
    with pytest.raises(Refusal, match="cannot be decrypted"):
        await kept.vault.take_in(id, theirs)
    assert await kept.vault.take_in(id, theirs, "their key") == ["B"]
    assert await kept.vault.fields(id) == fields(B=VALUE)
    exported = await kept.vault.exported(id)
    assert (exported["v"], Seal(KEY).open(id, exported)) == (1, fields(B=VALUE))
    await kept.vault.put(id, fields(C="3"))
    assert await kept.vault.fields(id) == fields(C="3")
    assert kept.vault.opened(id) == fields(C="3")


async def test_an_originals_record_is_read_where_it_stands(records: Records, kept: Kept) -> None:
    import msgspec

    id = await kept.create(fields=fields(A="1"), plugins=["shellplug"])
    envelope = msgspec.json.encode(Seal(KEY).seal_for_interchange(id, fields(A="theirs")))
    change = sa.update(secret_values).where(secret_values.c.id == id).values(doc=envelope)
    await records.write(Write(change))
    assert (await reopened(records)).secrets.of_plugin("shellplug") == {"A": "theirs"}


async def test_imports_of_any_shape_are_handed_out_as_far_as_they_go(records: Records, kept: Kept) -> None:
    odd = {
        "id": "z1",
        "title": "Z",
        "enabled": True,
        "plugins": ["shellplug", 5],
        "events": "e1",
        "categories": 7,
    }
    await kept.definitions.restore({"secrets": [odd]})
    theirs = Seal(KEY).seal_for_interchange("z1", [{"name": "A", "value": 5}, {"value": "x"}, {"name": "B"}])
    await kept.vault.take_in("z1", theirs)
    assert kept.secrets.of_job("e1", category_id="general", plugin_id="shellplug") == {"A": "5", "B": ""}


async def test_without_secrets_nothing_is_derived(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    def expensive(key: str) -> None:
        raise AssertionError("the key was derived")

    monkeypatch.setattr("conductor.definitions.vault.Seal", expensive)
    other = await reopened(records)
    assert other.secrets.of_job("e", "w", "c", "d", "p") == {}


async def test_one_derivation_serves_every_secret(
    records: Records, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better: no scrypt run for each secret and use."""
    derived: list[str] = []

    def counted(key: str) -> Seal:
        derived.append(key)
        return Seal(key)

    monkeypatch.setattr("conductor.definitions.vault.Seal", counted)
    for number in range(5):
        await kept.create(fields=fields(**{f"N{number}": str(number)}), plugins=["shellplug"])
    for _ in range(100):
        assert len(kept.secrets.of_plugin("shellplug")) == 5
    other = await reopened(records)
    assert len(other.secrets.of_plugin("shellplug")) == 5
    assert derived == [KEY, KEY]


async def test_definitions_without_a_vault_take_no_values(records: Records) -> None:
    definitions = Definitions(records, Signals())
    await definitions.load()
    with pytest.raises(Unavailable, match="no store for fields"):
        await definitions.create("secrets", {"title": "Z", "id": "z1"}, actor=ANN, by=BY)
    assert definitions.get("secrets", "z1") is None
