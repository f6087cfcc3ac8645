"""Accounts as they are made, edited and deleted, on both databases."""

import asyncio
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from PIL import Image

from conductor.access.account import Account
from conductor.access.key_usage import KeyUsage
from conductor.access.users import Users
from conductor.definitions.writer import House as HouseWriter
from conductor.errors import BadParameter, Refusal
from conductor.signals import SYSTEM, Actor, DefinitionChanged, LoginRefused, UserChanged
from tests.integration.access.conftest import ADMIN, PASSWORD, House

ANN = Actor(kind="user", id="ann", ips=("192.0.2.7",), useragent="curl/8")


async def ended(house: House, account: Account) -> bool:
    return await house.sessions.get(account.session_id) is None


async def test_an_administrator_makes_an_account(house: House) -> None:
    fields = {"email": "a@b.c", "full_name": "Ann", "privileges": {"run_jobs": 1}, "theme": "x", "active": 0}
    user = await house.changes.create("Ann", PASSWORD, fields, ADMIN, welcome=True)
    assert (user["active"], user["privileges"], user["theme"]) == (1, {"run_jobs": True}, "x")
    assert user["volume"] == 7
    assert await house.mailed() == ["welcome_new_user"]
    with pytest.raises(Refusal) as taken:
        await house.changes.create("a.n.n", PASSWORD, fields, ADMIN, welcome=False)
    assert taken.value.code == "user_exists"
    [made] = [one for one in await house.heard(DefinitionChanged) if one.kind == "users"]
    assert "password" not in made.item
    assert await house.security.page("ann", 0, 10) == ([], 0)


async def test_sign_up_takes_four_fields_and_no_more(house: House) -> None:
    """Hole: with free accounts a stranger could give himself roles and privileges."""
    await house.changes.sign_up("newbie", PASSWORD, "New <b>B", "n@b.c", ANN)
    user = house.users.get("newbie")
    assert user is not None
    assert (user["privileges"], user["roles"], user["full_name"]) == ({}, [], "New B")
    for name in ("Root", "admin", "constructor", "newbie", "127.0.0.1"):
        with pytest.raises(Refusal) as refused:
            await house.changes.sign_up(name, PASSWORD, "N", "n@b.c", ANN)
        assert refused.value.code == "user"
    for name in ("a b", "a\n", "...", "ä"):
        with pytest.raises(BadParameter):
            await house.changes.sign_up(name, PASSWORD, "N", "n@b.c", ANN)
    house.settings.User.free_accounts = False
    with pytest.raises(Refusal, match="Only administrators"):
        await house.changes.sign_up("other", PASSWORD, "N", "n@b.c", ANN)


@pytest.mark.parametrize("call", ["update", "settings"])
async def test_owners_edit_what_is_theirs(house: House, call: str) -> None:
    """Hole: a limited user could lift his own limits, or another's by `username`."""
    account = await house.user("ann", categories=["a"], groups=["g"])
    asked: dict[str, Any] = {
        "username": "admin", "categories": [], "groups": [], "active": 0, "roles": ["r"], "privileges": {"admin": 1},
        "salt": "s", "fl_count": 0, "language": "de",
    }  # fmt: skip
    if call == "update":
        user = await house.changes.update_self(account, asked, PASSWORD, "", ANN)
    else:
        user = await house.changes.settings(account, asked, ANN)
    assert (user["username"], user["categories"], user["groups"]) == ("ann", ["a"], ["g"])
    assert (user["active"], user["roles"], user["privileges"], user["language"]) == (1, [], {}, "de")
    again = Users(house.records)
    await again.load()
    assert again.get("ann") == user
    assert len(await house.heard(UserChanged)) == 2


async def test_a_new_password_ends_the_other_sessions(house: House) -> None:
    """Hole: they stayed alive."""
    account, other = await house.user("ann"), await house.log_in("ann")
    with pytest.raises(Refusal, match="incorrect"):
        await house.changes.update_self(account, {}, "wrong", "next one", ANN)
    with pytest.raises(BadParameter, match="too short"):
        await house.changes.update_self(account, {}, PASSWORD, "abc", ANN)
    await house.changes.update_self(account, {}, PASSWORD, "next one", ANN)
    assert await ended(house, other)
    assert not await ended(house, account)
    assert (await house.log_in("ann", "next one")).name == "ann"
    rows, total = await house.security.page("ann", 0, 10)
    assert ([row["action"] for row in rows], total) == (["user_password", "user_update"], 2)
    assert await house.mailed() == ["changed_password"]


@pytest.mark.parametrize("change", [{"new_password": "next one"}, {"active": False}])
async def test_an_administrator_ends_sessions_too(house: House, change: dict[str, Any]) -> None:
    account = await house.user("ann")
    await house.changes.update("ann", change, ADMIN)
    assert await ended(house, account)
    assert (await house.security.page("ann", 0, 10))[1] == 0


async def test_a_deleted_name_comes_back_empty(house: House, tmp_path: Path) -> None:
    """Hole: sessions, security log and avatar of a deleted account were those of the next of that name."""
    account = await house.user("ann")
    Image.new("RGB", (10, 10)).save(tmp_path / "a.png")
    await house.avatars.store("ann", tmp_path / "a.png")
    await house.security.add("ann", "user_login", ANN)
    with pytest.raises(Refusal) as wrong:
        await house.changes.delete_self(account, "wrong", ANN)
    assert wrong.value.code == "login"
    await house.changes.delete_self(account, PASSWORD, ANN)
    await house.user("ann")
    assert await ended(house, account)
    assert await house.avatars.get("ann", 64) is None
    assert (await house.security.page("ann", 0, 10))[1] == 0


@pytest.mark.parametrize(
    "change", [{"active": 0}, {"privileges": {}}, {"privileges": {"admin": False}}, None]
)
async def test_the_last_administrator_stays(house: House, change: dict[str, Any] | None) -> None:
    """Hole: nothing prevented it."""

    async def attempt() -> None:
        if change is None:
            await house.changes.delete("admin", ADMIN)
        else:
            await house.changes.update("admin", change, ADMIN)

    with pytest.raises(Refusal, match="last active administrator"):
        await attempt()
    await house.user("second", privileges={"admin": True})
    await attempt()
    with pytest.raises(Refusal, match="last active administrator"):
        await house.changes.delete("second", ADMIN)


async def test_two_administrators_cannot_remove_each_other_at_once(house: House) -> None:
    await house.user("second", privileges={"admin": True})
    results = await asyncio.gather(
        house.changes.delete("admin", ADMIN), house.changes.delete("second", ADMIN), return_exceptions=True
    )
    assert sum(isinstance(result, Refusal) for result in results) == 1


async def test_parallel_edits_lose_nothing(house: House) -> None:
    account = await house.user("ann")
    languages = ["language", "region", "timezone", "num_format"]
    await asyncio.gather(*(house.changes.settings(account, {key: "set"}, ANN) for key in languages))
    user = house.users.get("ann")
    assert user is not None
    assert [user[key] for key in languages] == ["set"] * 4


async def test_imported_hashes_verify_and_are_replaced_at_login(house: House) -> None:
    """The original's: bcrypt of password + salt, of which bcrypt knows 72 bytes."""
    salt = "5a" * 32
    await house.user("ann")
    old = bcrypt.hashpw((PASSWORD + salt).encode()[:72], bcrypt.gensalt(4)).decode()
    await house.users.change("ann", lambda user: {**user, "password": old, "salt": salt})
    with pytest.raises(Refusal):
        await house.log_in("ann", PASSWORD + "x")
    assert (await house.log_in("ann")).name == "ann"
    user = house.users.get("ann")
    assert user is not None
    assert user["password"].startswith("$argon2id$")
    assert user["salt"] == ""
    assert (await house.log_in("ann")).name == "ann"
    assert house.users.get("ann") == user


async def test_long_passwords_count_to_their_last_letter(house: House) -> None:
    """Hole: whatever came after byte 72 was ignored."""
    long = "x" * 100
    account = await house.user("ann")
    await house.changes.update_self(account, {}, PASSWORD, long + "a", ANN)
    with pytest.raises(Refusal):
        await house.log_in("ann", long + "b")
    assert (await house.log_in("ann", long + "a")).name == "ann"
    with pytest.raises(BadParameter, match="too long"):
        await house.changes.update_self(account, {}, long + "a", "x" * 1_025, ANN)


async def test_strangers_cannot_lock_anybody_out(house: House) -> None:
    """Hole: six wrong passwords locked any account for its owner too."""
    await house.user("ann")
    for _ in range(6):
        with pytest.raises(Refusal, match="incorrect"):
            await house.log_in("ann", "wrong", "203.0.113.5")
    with pytest.raises(Refusal, match="locked"):
        await house.log_in("ann", PASSWORD, "203.0.113.5")
    with pytest.raises(Refusal, match="locked"):
        await house.log_in("ann", PASSWORD, "203.0.113.6")
    assert (await house.log_in("ann")).name == "ann"  # from where she was before
    for _ in range(6):
        with pytest.raises(Refusal, match="incorrect"):
            await house.log_in("ann", "wrong")
    with pytest.raises(Refusal, match="locked"):
        await house.log_in("ann")
    await house.changes.update("ann", {"unlock": True}, ADMIN)
    assert (await house.log_in("ann", PASSWORD, "203.0.113.5")).name == "ann"
    assert {one.reason for one in await house.heard(LoginRefused)} == {"wrong password", "locked"}


async def test_an_administrators_lock_spares_nobody(house: House) -> None:
    await house.user("ann")
    await house.changes.update("ann", {"force_password_reset": 1}, ADMIN)
    with pytest.raises(Refusal, match="locked"):
        await house.log_in("ann")


async def test_a_stolen_session_cannot_guess_the_password(house: House) -> None:
    account = await house.user("ann")
    for _ in range(6):
        with pytest.raises(Refusal, match="incorrect"):
            await house.changes.update_self(account, {}, "wrong", "", ANN)
    with pytest.raises(Refusal, match="Too many"):
        await house.changes.update_self(account, {}, PASSWORD, "", ANN)


async def test_a_forgotten_password(house: House) -> None:
    account = await house.user("ann")
    await house.users.change("ann", lambda user: {**user, "force_password_reset": 1, "fl_count": 9})
    await house.recovery.forgot("ann", "ANN@example.com", ANN, {})
    await house.recovery.forgot("ann", "other@example.com", ANN, {})
    await house.recovery.forgot("nobody", "ann@example.com", ANN, {})
    assert await house.mailed() == ["recover_password"]
    [(_, letter, to)] = house.mailer.letters
    key = letter["recovery_key"]
    assert to == ["ann@example.com"]
    assert letter["self_url"] == f"http://localhost:5522/#Login?u=ann&h={key}"
    stored = await house.records.read(
        lambda sql: str(list(sql.exec_driver_sql("SELECT * FROM password_recovery")))
    )
    assert key not in stored  # Hole: keys were stored in clear
    for name, tried in (("admin", key), ("ann", "0" * 64)):
        with pytest.raises(Refusal, match=r"Password reset failed\."):
            await house.recovery.reset(name, tried, "next one", ANN)
    results = await asyncio.gather(
        *(house.recovery.reset("ann", key.upper(), f"next {number}", ANN) for number in range(2)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Refusal) for result in results) == 1  # good once
    assert await ended(house, account)
    new = "next 0" if results[0] is None else "next 1"
    assert (await house.log_in("ann", new)).name == "ann"
    assert (await house.mailed())[-1] == "changed_password"


async def test_at_most_three_recovery_mails_an_hour(house: House) -> None:
    """Quirk of the original: a fourth got through."""
    await house.user("ann")
    await asyncio.gather(*(house.recovery.forgot("ann", "ann@example.com", ANN, {}) for _ in range(5)))
    assert await house.mailed() == ["recover_password"] * 3


async def test_addresses_of_users(house: House) -> None:
    await house.user("ann")
    await house.user("bob")
    await house.user("tom", email="ann@example.com")
    await house.changes.update("bob", {"active": 0}, ADMIN)
    assert house.users.emails_of(["Ann", "bob", "nobody", "tom", "admin"]) == [
        "ann@example.com",
        "admin@localhost",
    ]


async def test_the_use_of_keys_is_written_rarely(house: House) -> None:
    """Hole: each call by key rewrote the whole state."""
    made = await house.definitions.create_showing(
        "api_keys", {"title": "CI"}, actor=SYSTEM, by=HouseWriter("admin")
    )
    key_id = made.doc["id"]
    usage = KeyUsage(house.accounts.keys, house.definitions, house.definitions.state)
    for _ in range(3):
        house.accounts.keys.account(str(made.shown_once["plain_key"]))
    assert "date" not in house.definitions.state.get(f"api_keys/{key_id}")
    await usage.flush()
    used = house.definitions.state.get(f"api_keys/{key_id}")
    assert used["count"] >= 1
    house.accounts.keys.account(str(made.shown_once["plain_key"]))
    await house.definitions.delete("api_keys", key_id, actor=SYSTEM, by=HouseWriter("admin"))
    await usage.flush()
    assert house.definitions.state.get(f"api_keys/{key_id}") == {}
