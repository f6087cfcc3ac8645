"""Second factors over plain HTTP. Closes access.md "Where to be better" 9: no MFA."""

import gzip
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest
import pytest_asyncio

from conductor.cli.rotation import rotate
from tests.acceptance.tab import tab
from tests.processes import ApiError, Client, Conductor, administrator_key, eventually

PASSWORD = "correct horse"
ANNS = "battery staple"

Json = dict[str, Any]


class House:
    """A conductor whose wall clock the test can put on, and an administrator's key."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._clock, self._ahead = folder / "clock", 0
        settings = {
            "OPSORBIT_ADMIN_PASSWORD": PASSWORD,
            "OPSORBIT_CLOCK_STEP": str(self._clock),
            **environment,
        }
        self.conductor = Conductor(folder / "conductor", environment=settings)
        self.api_key = ""

    @property
    def url(self) -> str:
        return self.conductor.url

    async def start(self) -> None:
        self.conductor.start()
        await self.conductor.ready()

    def next_step(self) -> None:
        """Codes before this one, and that of the step after it, are over."""
        self._ahead += 60
        half = self._clock.with_suffix(".half")
        half.write_text(str(self._ahead))
        half.replace(self._clock)

    def code(self, secret: str) -> str:
        return pyotp.TOTP(secret).generate_otp(int((time.time() + self._ahead) // 30))

    def wrong(self, secret: str) -> str:
        step = int((time.time() + self._ahead) // 30)
        near = {pyotp.TOTP(secret).generate_otp(step + drift) for drift in range(-4, 5)}
        return next(f"{number:06}" for number in range(20) if f"{number:06}" not in near)


async def log_in(client: Client, username: str, password: str, **more: str) -> Json:
    """The login's answer, refused or not; later calls are made in its session."""
    body = {"username": username, "password": password, **more}
    async with client.session.post(f"{client.url}/api/user/login", json=body) as response:
        assert response.status == 200
        answer: Json = await response.json()
    if answer["code"] == 0:
        client._headers["X-CSRF-Token"] = answer["csrf_token"]
    return answer


async def refused(client: Client, name: str, **params: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        await client.call(name, **params)
    return caught.value.status, caught.value.code


async def turned_on(house: House, client: Client, password: str) -> tuple[str, list[str]]:
    """The secret and the recovery codes of the client's account, whose next code is a fresh one."""
    made = await client.call("setup_mfa", password=password)
    codes = (await client.call("confirm_mfa", code=house.code(made["secret"])))["recovery_codes"]
    house.next_step()
    return made["secret"], codes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    made = House(tmp_path_factory.mktemp("m"))
    await made.start()
    made.api_key = await administrator_key(made.url, PASSWORD)
    yield made
    await made.conductor.stop()


@pytest_asyncio.fixture
async def admin(house: House) -> AsyncIterator[Client]:
    async with Client(house.url, house.api_key) as client:
        yield client


@pytest_asyncio.fixture
async def ann(house: House, admin: Client) -> AsyncIterator[Client]:
    """A user without a second factor, logged in."""
    person = {"username": "ann", "password": ANNS, "full_name": "Ann", "email": "ann@example.com"}
    await admin.call("create_user", **person)
    await admin.call("update_user", username="ann", unlock=True)  # what another test has counted
    async with Client(house.url) as client:
        assert (await log_in(client, "ann", ANNS))["code"] == 0
        yield client
    await admin.call("delete_user", username="ann")


async def test_rest_mfa_from_the_set_up_to_the_login(house: House, admin: Client, ann: Client) -> None:
    async with Client(house.url) as elsewhere:
        await log_in(elsewhere, "ann", ANNS)
        assert "mfa" not in (await log_in(ann, "ann", ANNS))["user"]
        assert await refused(ann, "setup_mfa", password="wrong") == (400, "login")
        made = await ann.call("setup_mfa", password=ANNS)
        assert made["uri"].startswith("otpauth://totp/OpsOrbit:ann?")
        assert made["secret"] in made["uri"]
        assert await refused(ann, "confirm_mfa", code=house.wrong(made["secret"])) == (403, "mfa")
        confirmed = await ann.call("confirm_mfa", code=house.code(made["secret"]))
        codes = confirmed["recovery_codes"]
        assert len(set(codes)) == 10
        assert confirmed["user"]["mfa"]["recovery_codes"] == 10
        assert await refused(elsewhere, "get_sessions") == (401, "session")
        assert (await ann.call("get_sessions"))["list"]["length"] == 1

        assert (await log_in(elsewhere, "ann", "wrong", code="000000"))["code"] == "login"
        assert (await log_in(elsewhere, "ann", ANNS))["code"] == "mfa"
        spent = house.code(made["secret"])
        assert (await log_in(elsewhere, "ann", ANNS, code=spent))["code"] == "mfa"  # it has confirmed already
        house.next_step()
        code = house.code(made["secret"])
        assert (await log_in(elsewhere, "ann", ANNS, code=f" {code[:3]} {code[3:]}"))["code"] == 0
        assert (await log_in(elsewhere, "ann", ANNS, code=code))["code"] == "mfa"
        answer = await log_in(elsewhere, "ann", ANNS, code=codes[0].upper())
        assert (answer["code"], answer["user"]["mfa"]["recovery_codes"]) == (0, 9)
        async with ann.session.get(f"{ann.url}/api/user/resume_session") as response:
            assert (await response.json())["username"] == "ann"

        await admin.call("update_user", username="ann", unlock=True)
        assert await refused(ann, "disable_mfa", password=ANNS, code=codes[0]) == (403, "mfa")
        assert "mfa" not in (await ann.call("disable_mfa", password=ANNS, code=codes[1]))["user"]
        assert (await log_in(elsewhere, "ann", ANNS))["code"] == 0
    rows = (await ann.call("get_user_activity"))["rows"]
    told = " ".join(row.get("description", "") for row in rows)
    for what in (
        "began to set up",
        "turned a second factor on",
        "recovery code",
        "turned the second factor off",
    ):
        assert what in told

    async def logged() -> int:
        return int((await admin.call("search_activity", query="action:user_mfa"))["list"]["length"])

    await eventually(logged, "the activity log tells of it")


async def test_rest_mfa_calls_are_a_persons_and_are_protected_as_such(
    house: House, admin: Client, ann: Client
) -> None:
    for name in ("setup_mfa", "confirm_mfa", "disable_mfa"):
        assert await refused(admin, name, password=PASSWORD, code="123456") == (401, "session")
    assert await refused(ann, "admin_disable_mfa", username="admin") == (403, "access")
    url = f"{ann.url}/api/app/setup_mfa/v1"
    for method, headers in (("GET", ann._headers), ("POST", {"X-CSRF-Token": "0" * 64}), ("POST", {})):
        async with ann.session.request(
            method, url, params={"password": ANNS}, json={"password": ANNS}, headers=headers
        ) as response:
            assert (response.status, (await response.json())["code"]) == (401, "session")
    for name, params in (
        ("confirm_mfa", {}),
        ("confirm_mfa", {"code": 123456}),
        ("disable_mfa", {"password": ANNS}),
        ("setup_mfa", {"password": ["x"]}),
    ):
        assert await refused(ann, name, **params) == (400, "api")
    async with ann.session.get(f"{ann.url}/api/openapi.json") as response:
        paths = (await response.json())["paths"]
    for name in ("setup_mfa", "confirm_mfa", "disable_mfa", "admin_disable_mfa"):
        assert list(paths[f"/api/app/{name}/v1"]) == ["post"]


async def test_rest_mfa_wrong_codes_count_to_the_lockout(house: House, admin: Client, ann: Client) -> None:
    secret, _ = await turned_on(house, ann, ANNS)
    async with Client(house.url) as thief:
        for number in range(6):
            answer = await log_in(thief, "ann", ANNS if number else "x", code=house.wrong(secret))
            assert answer["code"] == ("mfa" if number else "login")
        locked = await log_in(thief, "ann", ANNS, code=house.code(secret))
        assert (locked["code"], "locked" in locked["description"]) == ("login", True)
        await admin.call("update_user", username="ann", unlock=True)
        assert (await log_in(thief, "ann", ANNS, code=house.code(secret)))["code"] == 0


async def test_rest_mfa_an_administrator_helps_who_has_lost_it(
    house: House, admin: Client, ann: Client
) -> None:
    await turned_on(house, ann, ANNS)
    assert (await admin.call("admin_disable_mfa", username="ann"))["user"]["username"] == "ann"
    assert await refused(admin, "admin_disable_mfa", username="ann") == (403, "mfa")
    assert (await log_in(ann, "ann", ANNS))["code"] == 0
    rows = (await ann.call("get_user_activity"))["rows"]
    assert any("was turned off for him" in row.get("description", "") for row in rows)


async def test_rest_mfa_no_secret_and_no_code_leaves_the_house_again(
    house: House, admin: Client, ann: Client
) -> None:
    async with tab(house.url, "admin", PASSWORD) as page, tab(house.url, "ann", ANNS) as own:
        secret, codes = await turned_on(house, ann, ANNS)
        await own.closed()  # another session of hers
        answers: list[Any] = [await log_in(ann, "ann", ANNS, code=codes[0])]
        for name, params in (
            ("user/admin_get_user", {"username": "ann"}),
            ("user/admin_get_users", {}),
            ("app/search_activity/v1", {"query": "*", "limit": 1000}),
            ("app/search_revision_history/v1", {"type": "users", "query": "*"}),
            ("app/get_user_activity/v1", {}),
            ("app/get_secrets/v1", {}),
        ):
            caller = ann if name.endswith("activity/v1") and "user" in name else page.client
            async with caller.session.get(
                f"{house.url}/api/{name}", params=params, headers=caller._headers
            ) as response:
                answers.append(await response.json())
        async with admin.session.get(
            f"{house.url}/api/v1/events?limit=1000", headers=admin._headers
        ) as response:
            answers.append(await response.json())
        await page.expect("single", lambda data: data["list"] == "users")
        answers.append(page.unread)
        answers.append(own.unread)
        token = (await page.client.call("get_transfer_token", lists="all", extras="all"))["token"]
        packed = await page.client.fetch("/api/app/admin_export_data/v1", token=token)
    text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
    assert b"users/ann" in text
    log = house.conductor.output().encode()
    database = b"".join(file.read_bytes() for file in house.conductor.data.glob("opsorbit.db*"))
    assert b"ann@example.com" in database
    for place in (msgspec.json.encode(answers), text, log, database):
        for clear in (secret, *codes, *(code.replace("-", "") for code in codes)):
            assert clear.encode() not in place
    assert b'"recovery":' not in msgspec.json.encode(answers) + text


async def test_rest_mfa_outlives_a_kill_and_a_change_of_the_secret_key(
    house: House, admin: Client, ann: Client
) -> None:
    secret, codes = await turned_on(house, ann, ANNS)
    code = house.code(secret)
    assert (await log_in(ann, "ann", ANNS, code=code))["code"] == 0
    assert (await log_in(ann, "ann", ANNS, code=codes[0]))["code"] == 0
    await house.conductor.kill()
    await house.start()
    for used in (code, codes[0]):
        assert (await log_in(ann, "ann", ANNS, code=used))["code"] == "mfa"
    await house.conductor.stop()
    before = (house.conductor.data / "secret_key").read_text()
    await rotate(house.conductor.data, None, "")
    assert (house.conductor.data / "secret_key").read_text() != before
    await house.start()
    house.next_step()
    assert (await log_in(ann, "ann", ANNS, code=house.code(secret)))["code"] == 0
    assert (await log_in(ann, "ann", ANNS, code=codes[1]))["code"] == 0


async def test_rest_mfa_required_of_administrators(tmp_path_factory: pytest.TempPathFactory) -> None:
    house = House(tmp_path_factory.mktemp("r"), OPSORBIT_USER__REQUIRE_MFA="admins")
    await house.start()
    try:
        async with Client(house.url) as boss:
            answer = await log_in(boss, "admin", PASSWORD)
            assert (answer["code"], answer["mfa_setup"]) == (0, True)
            assert not {"events", "users", "api_keys", "secrets", "servers"} & answer.keys()
            for name in ("get_events", "get_sessions", "user_settings", "create_api_key", "disable_mfa"):
                assert await refused(boss, name, title="T", password="x", code="1") == (403, "mfa_setup")
            async with boss.session.get(f"{house.url}/api/user/resume_session") as response:
                assert (await response.json())["mfa_setup"] is True
            async with boss.session.get(f"{house.url}/api/v1/events") as response:
                assert response.status == 403
                assert (await response.json())["detail"][0]["type"] == "mfa_setup"
            async with boss.session.ws_connect(house.url) as socket:
                await socket.send_str('{"cmd":"authenticate","data":{"attempt":1}}')
                assert "second factor" in (await socket.receive_json(timeout=10))["data"]["description"]
            secret, _ = await turned_on(house, boss, PASSWORD)
            key = (await boss.call("create_api_key", title="K", privileges={"admin": True}))["plain_key"]
            assert await refused(boss, "disable_mfa", password=PASSWORD, code=house.code(secret)) == (
                403,
                "mfa",
            )
            answer = await log_in(boss, "admin", PASSWORD, code=house.code(secret))
            assert "events" in answer
            assert "mfa_setup" not in answer
        async with Client(house.url, key) as admin, Client(house.url) as bob:
            person = {"username": "bob", "password": "x", "full_name": "B", "email": "b@example.com"}
            await admin.call("create_user", **person)
            assert "events" in await log_in(bob, "bob", "x")
    finally:
        await house.conductor.stop()
