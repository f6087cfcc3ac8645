"""Accounts and passwords over a real database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from conductor.access.accounts import Accounts, Credentials
from conductor.access.passwords import Passwords
from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import NoSession, Refusal
from conductor.records.store import Records
from conductor.records.tables import users as table
from conductor.settings import Settings


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    one = await Records.open(f"sqlite:///{tmp_path / 'test.db'}")
    yield one
    await one.close()


@pytest.fixture
async def accounts(records: Records) -> Accounts:
    users = Users(records)
    await users.ensure_admin("right")
    settings = Settings()
    return Accounts(users, Sessions(records, settings), Definitions(records, Signals()), settings)


async def test_the_first_administrator(records: Records) -> None:
    users = Users(records)
    generated = await users.ensure_admin("")
    assert generated is not None
    assert len(generated) == 20
    admin = users.get("ADMIN")
    assert admin is not None
    assert admin["privileges"] == {"admin": True}
    assert admin["force_password_change"] is True
    assert admin["password"].startswith("$argon2id$")
    assert await users.passwords.verify(generated, admin["password"])
    assert len(admin["searches"]) == 10
    again = Users(records)
    assert await again.ensure_admin("other") is None
    assert again.get("admin") == admin


async def test_accounts_survive(records: Records) -> None:
    users = Users(records)
    await users.save({"username": "Ann.O", "password": "x", "active": 1})
    await users.save({"username": "Ann.O", "password": "y", "active": 0})
    version = users.version
    again = Users(records)
    await again.load()
    ann = again.get("anno")
    assert ann is not None
    assert (ann["username"], ann["active"]) == ("Ann.O", 0)
    count = sa.select(sa.func.count()).select_from(table)
    assert await records.read(lambda sql: sql.execute(count).scalar()) == 1
    await users.delete("ann-o")
    assert users.get("Ann.O") is None
    assert users.version > version


async def test_passwords() -> None:
    passwords = Passwords()
    stored = await passwords.hash("pässwörd")
    assert "pässwörd" not in stored
    assert await passwords.verify("pässwörd", stored)
    assert not await passwords.verify("password", stored)
    imported = hashlib.sha256(b"oldsalt").hexdigest()
    assert await passwords.verify("old", imported, "salt")
    assert not await passwords.verify("new", imported, "salt")
    for unreadable in ("", "$argon2id$broken", "$2b$10$abc", "plain"):
        assert not await passwords.verify("decoy", unreadable)


async def test_parallel_guesses_all_count(accounts: Accounts) -> None:
    results = await asyncio.gather(
        *(accounts.log_in("admin", f"guess {number}", "", "") for number in range(6)), return_exceptions=True
    )
    assert all(isinstance(result, Refusal) for result in results)
    admin = accounts.users.get("admin")
    assert admin is not None
    assert admin["fl_count"] == 6
    with pytest.raises(Refusal, match="locked"):
        await accounts.log_in("admin", "right", "", "")


async def test_rights_follow_the_record(accounts: Accounts) -> None:
    session_id, session, user = await accounts.log_in("admin", "right", "", "")
    shown = Credentials(session_id=session_id)
    account = await accounts.authenticate(shown, safe_method=True)
    assert account.admin
    assert account.session_id == session_id
    with pytest.raises(NoSession, match="Invalid session"):
        await accounts.authenticate(shown, safe_method=False)
    with_token = Credentials(session_id=session_id, csrf_token=session.csrf_token)
    assert await accounts.authenticate(with_token, safe_method=False) is account
    await accounts.users.save(user | {"privileges": {"run_jobs": True}, "categories": ["a"]})
    account = await accounts.authenticate(shown, safe_method=True)
    assert not account.admin
    assert account.categories == {"a"}


@pytest.mark.parametrize(
    "shown",
    [
        Credentials(),
        Credentials(session_id="x"),
        Credentials(session_id="0" * 64),
        Credentials(api_key="x"),
    ],
)
async def test_bad_credentials(accounts: Accounts, shown: Credentials) -> None:
    with pytest.raises(NoSession):
        await accounts.authenticate(shown, safe_method=True)
    assert await accounts.api_key("x") is None
