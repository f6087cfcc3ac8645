"""Settings changed at run time are the cluster's (admin.yaml, multi.yaml): a standby goes on with them."""

from pathlib import Path

import sqlalchemy as sa

from conductor.administration.overrides import Overrides
from conductor.administration.shared_overrides import SharedOverrides
from conductor.records import tables
from conductor.records.store import Records
from conductor.settings import Settings


class Host:
    """A conductor as far as its settings go."""

    def __init__(self, folder: Path, records: Records, key: str = "k" * 64, **base: object) -> None:
        folder.mkdir(exist_ok=True)
        self.settings = Settings(secret_key=key, **base)  # type: ignore[arg-type]
        shared = SharedOverrides(records, self.settings.secret_keys)
        without = Settings(secret_key=key, **base)  # type: ignore[arg-type]
        self.overrides = Overrides(folder / "overrides.json", self.settings, without, shared)


async def test_rest_admin_yaml_a_standby_goes_on_with_changed_settings(
    records: Records, tmp_path: Path
) -> None:
    first, second = Host(tmp_path / "one", records), Host(tmp_path / "two", records)
    await first.overrides.begin()
    await first.overrides.update({"ttl": 7, "mail_settings.host": "smtp.lan", "base_app_url": "http://one"})
    await second.overrides.begin()
    assert (second.settings.ttl, second.settings.mail_settings["host"]) == (7, "smtp.lan")
    assert second.settings.base_app_url == "http://localhost:5522", "each host has its own"
    await second.overrides.update({"ttl": None, "base_app_url": "http://two"})
    await first.overrides.begin()
    assert (first.settings.ttl, first.settings.mail_settings["host"]) == (300, "smtp.lan")
    assert first.settings.base_app_url == "http://one"
    assert first.overrides.all() == {"mail_settings.host": "smtp.lan", "base_app_url": "http://one"}


async def test_rest_admin_yaml_no_password_is_in_the_database_in_clear(
    records: Records, tmp_path: Path
) -> None:
    host = Host(tmp_path / "one", records)
    await host.overrides.update({"mail_settings.auth.pass": "horse-battery"})
    [doc] = await records.read(lambda sql: sql.execute(sa.select(tables.overrides.c.doc)).scalars().all())
    assert b"horse-battery" not in doc
    assert b"mail_settings" not in doc


async def test_an_older_installation_shares_what_its_file_has(records: Records, tmp_path: Path) -> None:
    first, second = Host(tmp_path / "one", records), Host(tmp_path / "two", records)
    (tmp_path / "one" / "overrides.json").write_text('{"ttl": 9}')
    await first.overrides.begin()
    await second.overrides.begin()
    assert second.settings.ttl == 9


async def test_overrides_outlive_a_change_of_the_key(records: Records, tmp_path: Path) -> None:
    first = Host(tmp_path / "one", records)
    await first.overrides.update({"ttl": 7})
    first.settings.secret_key = "n" * 64
    await first.overrides.share_again()
    second = Host(tmp_path / "two", records, "n" * 64)
    await second.overrides.begin()
    assert second.settings.ttl == 7
    lost = Host(tmp_path / "one", records, "x" * 64)
    lost.settings.ttl = 7  # as it has read it from its file
    await lost.overrides.begin()
    assert lost.overrides.all() == {"ttl": 7}, "what cannot be opened takes nothing away"


async def test_settings_that_another_version_made_do_not_end_a_term(records: Records, tmp_path: Path) -> None:
    host = Host(tmp_path / "one", records)
    await host.overrides.update({"ttl": 7})
    await SharedOverrides(records, host.settings.secret_keys).save({"ttl": "soon", "secret_key": "x"})
    await host.overrides.begin()
    assert (host.settings.ttl, host.overrides.all()) == (7, {"ttl": 7})
