"""Second factors over a real database. Closes access.md "Where to be better" 9: no MFA."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest
import sqlalchemy as sa

from conductor.access.account import Account
from conductor.access.accounts import Credentials
from conductor.access.second_factor import MfaRefusal
from conductor.access.users import factor_place
from conductor.administration.backup.kept import UserSection
from conductor.administration.backup.sealed import SecretSection
from conductor.errors import Deposed, Refusal
from conductor.records.files import Files
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import events, metadata, secret_values
from conductor.settings import Settings
from conductor.settings_sections import UserSettings
from conductor.signals import Activity, Actor, LoginRefused, SessionsEnded
from tests.integration.access.conftest import ADMIN, KEY, PASSWORD, House

ANN = Actor(kind="user", id="ann", ips=("192.0.2.7",))
MOMENT = 1_800_000_000.0


class Clock:
    """The wall clock as codes see it."""

    def __init__(self) -> None:
        self.moment = MOMENT

    def __call__(self) -> float:
        return self.moment

    def next_step(self) -> None:
        self.moment += 30


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("factor_check", "second_factors"):
        monkeypatch.setattr(f"conductor.access.{module}.now", made)
    return made


class Phone:
    """An authenticator app."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self.secret, self._clock = secret, clock

    def code(self, drift: int = 0) -> str:
        return pyotp.TOTP(self.secret).generate_otp(int(self._clock() // 30) + drift)

    def wrong(self) -> str:
        near = {self.code(drift) for drift in range(-3, 4)}
        return next(f"{number:06}" for number in range(20) if f"{number:06}" not in near)


async def turned_on(house: House, clock: Clock, name: str = "ann") -> tuple[Account, Phone, list[str]]:
    """A new user with a second factor, a moment later."""
    account = await house.user(name)
    phone = Phone((await house.factors.begin(account, PASSWORD, ANN)).secret, clock)
    codes, _ = await house.factors.confirm(account, phone.code(), ANN)
    clock.next_step()
    return account, phone, codes


async def everything(house: House) -> bytes:
    """Every row of every table."""

    def read(sql: sa.Connection) -> bytes:
        return b"\n".join(
            msgspec.json.encode([cell.decode() if isinstance(cell, bytes) else str(cell) for cell in row])
            for table in metadata.sorted_tables
            if table.name != "events"
            for row in sql.execute(sa.select(table))
        ) + b"\n".join(sql.execute(sa.select(events.c.payload)).scalars())

    return await house.records.read(read)


async def test_rest_a_set_up_asks_for_nothing_until_it_is_confirmed(house: House, clock: Clock) -> None:
    account = await house.user("ann")
    other = await house.log_in("ann")
    with pytest.raises(Refusal, match="incorrect") as refused:
        await house.factors.begin(account, "wrong", ANN)
    assert refused.value.code == "login"
    with pytest.raises(MfaRefusal, match="setup_mfa"):
        await house.factors.confirm(account, "123456", ANN)
    first = Phone((await house.factors.begin(account, PASSWORD, ANN)).secret, clock)
    second = Phone((await house.factors.begin(account, PASSWORD, ANN)).secret, clock)
    assert (await house.log_in("ann")).name == "ann"
    for wrong in (second.wrong(), first.code()):
        with pytest.raises(MfaRefusal, match="not right"):
            await house.factors.confirm(account, wrong, ANN)
    codes, user = await house.factors.confirm(account, second.code(), ANN)
    assert len(codes) == 10
    assert user["mfa"]["since"] == MOMENT
    assert await house.sessions.get(other.session_id) is None
    assert await house.sessions.get(account.session_id) is not None
    with pytest.raises(MfaRefusal, match="already"):
        await house.factors.begin(account, PASSWORD, ANN)


async def test_rest_a_code_is_asked_for_only_after_the_right_password(house: House, clock: Clock) -> None:
    _, phone, _ = await turned_on(house, clock)
    for code in ("", phone.code()):
        with pytest.raises(Refusal, match="password incorrect") as refused:
            await house.log_in("ann", "wrong", code=code)
        assert refused.value.code == "login"
    with pytest.raises(MfaRefusal) as asked:
        await house.log_in("ann")
    assert asked.value.code == "mfa"
    assert (await house.log_in("ann", code=phone.code())).name == "ann"
    assert (await house.log_in("admin")).name == "admin"
    assert {one.reason for one in await house.heard(LoginRefused)} == {
        "wrong password",
        "second factor missing",
    }


async def test_rest_a_code_is_good_once_also_for_two_at_a_time(house: House, clock: Clock) -> None:
    account, phone, _ = await turned_on(house, clock)
    code = phone.code()
    results = await asyncio.gather(
        *(house.log_in("ann", code=code) for _ in range(4)), return_exceptions=True
    )
    assert [isinstance(one, Account) for one in results].count(True) == 1
    assert [isinstance(one, MfaRefusal) for one in results].count(True) == 3
    with pytest.raises(MfaRefusal):
        await house.log_in("ann", code=phone.code(-1))  # an older one is over too
    assert (await house.log_in("ann", code=phone.code(1))).name == "ann"
    assert await house.sessions.get(account.session_id) is not None


async def test_rest_a_code_is_good_once_over_a_take_over(
    house: House, database_url: str, tmp_path: Path, clock: Clock
) -> None:
    """What was spent is in the database, and who has lost the office lets nobody in with what he remembers."""
    _, phone, codes = await turned_on(house, clock)
    await house.log_in("ann", code=phone.code())
    await house.log_in("ann", code=codes[0])
    records = await Records.open(database_url, readers=1)
    try:
        await records.begin_term(7)
        successor = House(records, tmp_path / "next", house.settings)
        await successor.users.load()
        for used in (phone.code(), codes[0]):
            with pytest.raises(MfaRefusal):
                await successor.log_in("ann", code=used)
        clock.next_step()
        assert (await successor.log_in("ann", code=phone.code())).name == "ann"
        for unused_here in (phone.code(), codes[1]):
            with pytest.raises(Deposed):
                await house.log_in("ann", code=unused_here)
    finally:
        await records.close()


async def test_rest_wrong_codes_lock_as_wrong_passwords_do(house: House, clock: Clock) -> None:
    _, phone, codes = await turned_on(house, clock)
    stranger = "203.0.113.5"
    for number in range(6):
        with pytest.raises(Refusal) as refused:  # both count together
            await house.log_in("ann", PASSWORD if number % 2 else "x", stranger, phone.wrong())
        assert refused.value.code == ("mfa" if number % 2 else "login")
    with pytest.raises(Refusal, match="locked"):
        await house.log_in("ann", PASSWORD, stranger, phone.code())
    assert (await house.log_in("ann", code=phone.code())).name == "ann"  # from where she was before
    await house.changes.update("ann", {"unlock": True}, ADMIN)
    assert (await house.log_in("ann", PASSWORD, stranger, codes[1])).name == "ann"


@pytest.mark.parametrize("address", ["192.0.2.7", "203.0.113.5"])
async def test_rest_many_guesses_at_a_time_are_no_more_than_one_after_the_other(
    house: House, clock: Clock, address: str
) -> None:
    """All of them have seen the account unlocked before the first of them is counted."""
    _, phone, _ = await turned_on(house, clock)
    changing = house.users._changing
    async with changing, asyncio.timeout(60):
        guesses = [
            asyncio.create_task(house.log_in("ann", PASSWORD, address, phone.wrong())) for _ in range(12)
        ]
        while len(changing._waiters or ()) < len(guesses):  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
    results = await asyncio.gather(*guesses, return_exceptions=True)
    looked_at = [one for one in results if isinstance(one, MfaRefusal)]
    assert len(looked_at) == house.settings.User.max_failed_logins_per_hour + 1
    assert len([one for one in results if "locked" in str(one)]) == 12 - len(looked_at)


async def test_rest_recovery_codes_work_once_each_and_are_told_of(house: House, clock: Clock) -> None:
    _, _, codes = await turned_on(house, clock)
    for left, code in zip((9, 8, 7), codes, strict=False):
        await house.log_in("ann", code=code)
        with pytest.raises(MfaRefusal):
            await house.log_in("ann", code=code)
        rows, _ = await house.security.page("ann", 0, 3)
        told = [row["description"] for row in rows if row["action"] == "warning"]
        assert told[0] == f"A recovery code of ann was used, {left} are left"
        await house.changes.update("ann", {"unlock": True}, ADMIN)


async def test_rest_keys_sessions_and_the_provider_of_identities_need_none(
    house: House, clock: Clock
) -> None:
    account, _, _ = await turned_on(house, clock)
    shown = Credentials(session_id=account.session_id)
    assert (await house.accounts.authenticate(shown, safe_method=True)).name == "ann"
    session_id, session = await house.sessions.open("ann", "192.0.2.9", "")  # as single sign-on does
    assert house.accounts.of_session(session, session_id).name == "ann"


async def test_rest_it_is_turned_off_by_password_and_code(house: House, clock: Clock) -> None:
    account, phone, codes = await turned_on(house, clock)
    with pytest.raises(Refusal, match="incorrect"):
        await house.factors.disable(account, "wrong", phone.code(), ANN)
    with pytest.raises(MfaRefusal, match="not right"):
        await house.factors.disable(account, PASSWORD, phone.wrong(), ANN)
    user = await house.factors.disable(account, PASSWORD, codes[3], ANN)
    assert "mfa" not in user
    assert (await house.log_in("ann")).name == "ann"
    with pytest.raises(MfaRefusal, match="no second factor"):
        await house.factors.disable(account, PASSWORD, phone.code(), ANN)
    left = await house.records.read(lambda sql: list(sql.execute(sa.select(secret_values.c.id)).scalars()))
    assert left == ["*"]


async def test_rest_a_stolen_session_cannot_guess_the_code(house: House, clock: Clock) -> None:
    account, phone, _ = await turned_on(house, clock)
    for _ in range(6):
        with pytest.raises(MfaRefusal, match="not right"):
            await house.factors.disable(account, PASSWORD, phone.wrong(), ANN)
    with pytest.raises(Refusal, match="Too many"):
        await house.factors.disable(account, PASSWORD, phone.code(), ANN)


async def test_rest_an_administrator_turns_anothers_off(house: House, clock: Clock) -> None:
    await turned_on(house, clock)
    boss, _, _ = await turned_on(house, clock, "boss")
    with pytest.raises(Refusal, match="disable_mfa"):
        await house.factors.disable_of("BOSS", boss, ADMIN)
    with pytest.raises(Refusal, match="User not found"):
        await house.factors.disable_of("nobody", boss, ADMIN)
    await house.factors.disable_of("ann", boss, ADMIN)
    assert (await house.log_in("ann")).name == "ann"
    with pytest.raises(MfaRefusal, match="no second factor"):
        await house.factors.disable_of("ann", boss, ADMIN)
    rows, _ = await house.security.page("ann", 0, 5)
    assert any("was turned off for him" in row.get("description", "") for row in rows)
    logged = await house.records.read(
        lambda sql: [
            tuple(row) for row in sql.execute(sa.select(events.c.actor, events.c.type, events.c.resource))
        ]
    )
    assert [actor for actor, type, _ in logged if type == "user.mfa"] == ["ann", "ann", "admin"]
    said = [one.description for one in await house.heard(Activity) if one.action == "user_mfa"]
    assert said[0] == "ann turned a second factor on"
    assert len(await house.heard(SessionsEnded)) == 2


async def test_rest_neither_secret_nor_codes_are_anywhere_in_clear(
    house: House, clock: Clock, tmp_path: Path
) -> None:
    _, phone, codes = await turned_on(house, clock)
    await house.log_in("ann", code=codes[0])
    await house.heard(Activity)
    stored = await everything(house)
    told = msgspec.json.encode([msgspec.to_builtins(one) for one in house.seen])
    users = UserSection(house.users, Files.open((tmp_path / "f").as_uri()))
    exported = msgspec.json.encode(
        [[key, value] async for key, value in users.all()]
        + [[key, value] async for key, value in SecretSection(house.vault).all()]
    )
    assert b"ann" in stored and b"ann" in told and b"ann" in exported  # noqa: PT018 - they are what they seem
    for clear in (phone.secret, *codes, *(code.replace("-", "") for code in codes)):
        for place in (stored, told, exported):
            assert clear.encode() not in place
    kept = house.users.get("ann") or {}
    for hidden in (kept["mfa"]["id"], *kept["mfa"]["recovery"]):
        assert hidden.encode() not in told + exported
    assert await house.vault.ids() == []
    assert b"mfa" not in exported


async def test_rest_an_import_neither_brings_a_factor_nor_takes_one(
    house: House, clock: Clock, tmp_path: Path
) -> None:
    _, phone, _ = await turned_on(house, clock)
    section = UserSection(house.users, Files.open((tmp_path / "f").as_uri()))
    exported = dict([item async for item in section.all()])
    assert await section.value("users/ann") == exported["users/ann"]
    for value in (exported["users/ann"], {**exported["users/ann"], "mfa": {"id": "x", "begun": 1}}):
        await section.put("users/ann", value)
        with pytest.raises(MfaRefusal, match="needed"):
            await house.log_in("ann")
    await house.changes.update("ann", {"mfa": {}, "icon": "star"}, ADMIN)
    assert (await house.log_in("ann", code=phone.code())).name == "ann"
    await section.put(
        "users/tom", {**exported["users/ann"], "username": "tom", "mfa": {"id": "x", "begun": 1}}
    )
    assert (await house.log_in("tom")).name == "tom"


async def test_rest_a_change_of_the_secret_key_takes_the_factors_along(house: House, clock: Clock) -> None:
    _, phone, _ = await turned_on(house, clock)
    await house.vault.put("z1", [{"name": "N", "value": "v"}])
    assert await house.vault.rotate(KEY, "the next key") == 1  # of secrets
    assert house.vault.opened(factor_place("ann")) is None
    assert (await house.log_in("ann", code=phone.code())).name == "ann"


async def test_rest_who_cannot_be_asked_does_not_get_in(house: House, clock: Clock, tmp_path: Path) -> None:
    """Under a foreign secret key codes cannot be checked."""
    _, phone, codes = await turned_on(house, clock)
    await house.records.write(_garbled())
    for code in (phone.code(), codes[0]):
        with pytest.raises(MfaRefusal, match="cannot be checked"):
            await house.log_in("ann", code=code)


async def test_rest_a_deleted_account_leaves_nothing_to_its_name(house: House, clock: Clock) -> None:
    await turned_on(house, clock)
    await house.changes.delete("ann", ADMIN)
    left = await house.records.read(lambda sql: list(sql.execute(sa.select(secret_values.c.id)).scalars()))
    assert left == ["*"]
    assert (await house.user("ann")).name == "ann"


@pytest.mark.parametrize("required", [True, "admins"])
async def test_rest_where_it_is_required_others_log_in_to_set_it_up_alone(
    house: House, clock: Clock, tmp_path: Path, required: Any
) -> None:
    settings = Settings(User=UserSettings(require_mfa=required))
    strict = House(house.records, tmp_path / "strict", settings)
    await strict.users.load()
    before = await house.log_in("admin")
    session_id, session, user = await strict.accounts.log_in("admin", PASSWORD, "192.0.2.1", "")
    assert strict.accounts.must_enrol(session, user)
    shown = Credentials(session_id=session_id)
    with pytest.raises(Refusal) as refused:
        await strict.accounts.authenticate(shown, safe_method=True)
    assert refused.value.code == "mfa_setup"
    account = await strict.accounts.authenticate(shown, safe_method=True, enrolling=True)
    old = Credentials(session_id=before.session_id)  # an open session goes on
    assert (await strict.accounts.authenticate(old, safe_method=True)).name == "admin"
    phone = Phone((await strict.factors.begin(account, PASSWORD, ADMIN)).secret, clock)
    await strict.factors.confirm(account, phone.code(), ADMIN)
    assert (await strict.accounts.authenticate(shown, safe_method=True)).name == "admin"
    clock.next_step()
    with pytest.raises(MfaRefusal, match="must have"):
        await strict.factors.disable(account, PASSWORD, phone.code(), ADMIN)
    if required == "admins":
        assert (await strict.user("bob")).name == "bob"
    else:
        with pytest.raises(Refusal, match="second factor"):
            await strict.user("bob")


def _garbled() -> Write:
    place = {"id": factor_place("ann"), "doc": msgspec.json.encode({"v": 2, "alg": "aes-256-gcm"})}
    return Write(upsert(secret_values), place)
