"""Codes of second factors: the RFC's own examples, clocks that drift, and that no code is good twice."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.access import second_factor, totp
from conductor.access.account_rules import administered
from conductor.access.second_factor import (
    MfaRefusal,
    SecondFactor,
    active,
    factor_of,
    pending,
    spent,
    with_factor,
)
from conductor.access.users import public
from conductor.errors import Refusal
from conductor.settings import Settings, SettingsError
from conductor.settings_reading import load

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the RFC's: 12345678901234567890
MOMENT = 1_800_000_000.0
STEP = int(MOMENT // 30)


def code(step: int) -> str:
    import pyotp

    return pyotp.TOTP(SECRET).generate_otp(step)


def factor(**more: object) -> SecondFactor:
    return SecondFactor(**{"id": "f", "begun": 1, "since": 2, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_examples_of_rfc_6238(moment: int, shown: str) -> None:
    assert totp.matched_step(SECRET, shown, moment, 0) == moment // 30
    assert totp.matched_step(SECRET, shown, moment + 61, 0) is None


@pytest.mark.parametrize(
    ("drift", "good"), [(-3, False), (-2, False), (-1, True), (0, True), (1, True), (2, False), (3, False)]
)
def test_a_clock_may_be_one_step_off(drift: int, good: bool) -> None:
    assert (spent(factor(), SECRET, code(STEP + drift), MOMENT) is not None) is good


@pytest.mark.parametrize("last", [STEP - 1, STEP, STEP + 1])
def test_a_step_that_was_taken_and_those_before_it_are_over(last: int) -> None:
    for step in (STEP - 1, STEP, STEP + 1):
        after = spent(factor(step=last), SECRET, code(step), MOMENT)
        assert (after.step if after else None) == (step if step > last else None)


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-2, 2)), max_size=30))
def test_no_code_is_good_twice_whatever_the_clock_does(tries: list[tuple[int, int]]) -> None:
    present, taken = factor(), []
    for moved, drift in tries:
        moment = MOMENT + 15 * moved
        step = int(moment // 30) + drift
        after = spent(present, SECRET, code(step), moment)
        if after is not None:
            taken.append(step)
            present = after
    assert taken == sorted(set(taken))


def test_recovery_codes_are_good_once_each_however_they_are_typed() -> None:
    codes = second_factor.fresh_recovery_codes()
    assert len(set(codes)) == 10
    on = second_factor.confirmed(SecondFactor(id="f", begun=1), SECRET, code(STEP), MOMENT, codes)
    assert on is not None
    assert not any(one in repr(on) for one in codes)
    for left, (one, typed) in enumerate(zip(codes, (str, str.upper) * 5, strict=True)):
        written = typed(one).replace("-", " " if left % 3 else "")
        after = spent(on, SECRET, f" {written} ", MOMENT)
        assert after is not None
        assert (len(after.recovery), after.step) == (9 - left, STEP)
        assert spent(after, SECRET, one, MOMENT) is None
        on = after
    assert spent(on, SECRET, codes[0], MOMENT) is None


@given(st.text(max_size=80))
def test_anything_else_is_no_code(typed: str) -> None:
    present = factor(step=STEP + 5, recovery=("0" * 64,))
    assert spent(present, SECRET, typed, MOMENT) is None


def test_digits_are_those_of_ascii_and_may_be_grouped() -> None:
    right = code(STEP)
    assert spent(factor(), SECRET, f"{right[:3]} {right[3:]}", MOMENT) is not None
    arabic = "".join(chr(0x660 + int(digit)) for digit in right)
    assert spent(factor(), SECRET, arabic, MOMENT) is None


def test_the_address_for_the_app() -> None:
    address = urlsplit(totp.provisioning_uri(SECRET, "ann.b"))
    assert (address.scheme, address.netloc, address.path) == ("otpauth", "totp", "/OpsOrbit:ann.b")
    assert parse_qs(address.query) == {"secret": [SECRET], "issuer": ["OpsOrbit"]}
    assert len({totp.fresh_secret() for _ in range(50)}) == 50


def test_a_set_up_waits_for_an_hour() -> None:
    waiting = with_factor({"username": "ann"}, SecondFactor(id="f", begun=int(MOMENT)))
    assert active(waiting) is None
    assert pending(waiting, MOMENT + 3_600).id == "f"
    for user, moment in (({}, MOMENT), (waiting, MOMENT + 3_601), (with_factor({}, factor()), MOMENT)):
        with pytest.raises(MfaRefusal):
            pending(user, moment)


def test_what_is_shown_of_it() -> None:
    user = {"username": "ann", "password": "h"}
    on = with_factor(user, factor(step=7, recovery=("a", "b")))
    assert public(on) == {"username": "ann", "mfa": {"since": 2, "recovery_codes": 2}}
    assert public(with_factor(user, factor(since=0))) == public(user) == {"username": "ann"}
    assert factor_of(on) == factor(step=7, recovery=("a", "b"))
    assert administered({"mfa": {"since": 0}, "icon": "star"}) == {"icon": "star"}


@pytest.mark.parametrize(("said", "meant"), [("admins", "admins"), ("true", True), ("false", False)])
def test_who_needs_one(said: str, meant: object) -> None:
    assert Settings().User.require_mfa is False
    assert load(None, {"OPSORBIT_USER__REQUIRE_MFA": said}).User.require_mfa == meant


def test_who_needs_one_is_no_other_word() -> None:
    with pytest.raises(SettingsError, match="require_mfa"):
        load(None, {"OPSORBIT_USER__REQUIRE_MFA": "some"})


def test_its_refusal_is_machine_readable() -> None:
    assert isinstance(MfaRefusal("x"), Refusal)
    assert MfaRefusal("x").code == "mfa"
