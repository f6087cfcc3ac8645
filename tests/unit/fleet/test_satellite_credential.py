"""Which keys of a satellite are good at which moment."""

from hypothesis import given
from hypothesis import strategies as st

from conductor.fleet.credential import Credential, key_of, keys_of
from conductor.fleet.refusals import Refusals
from shared.protocol import proofs, tokens

SECRET = "cluster secret"
TIMES = st.floats(min_value=1, max_value=2e9)


def keys(credential: Credential, now: float = 100.0, *older: str) -> list[str]:
    return list(keys_of("s1", credential, now, SECRET, older))


def test_the_first_key_is_the_contracts() -> None:
    assert keys(Credential()) == [tokens.server_token("s1", SECRET)]


def test_after_a_rotation_both_keys_are_good_for_a_while() -> None:
    rotated = Credential().rotate(now=100.0, grace=50.0)
    first, second = key_of("s1", 0, SECRET), key_of("s1", 1, SECRET)
    assert keys(rotated, 100.0) == [second, first]
    assert keys(rotated, 149.9) == [second, first]
    assert keys(rotated, 150.0) == [second]
    assert keys(rotated.confirm(), 100.0) == [second]


def test_a_second_rotation_leaves_the_first_key_behind() -> None:
    twice = Credential().rotate(100.0, 50.0).rotate(101.0, 50.0)
    assert keys(twice, 102.0) == [key_of("s1", 2, SECRET), key_of("s1", 1, SECRET)]


def test_keys_under_an_earlier_secret_are_good_while_it_is_configured() -> None:
    assert keys(Credential(), 100.0, "old secret") == [
        key_of("s1", 0, SECRET), key_of("s1", 0, "old secret")
    ]  # fmt: skip


@given(generation=st.integers(0, 1000), now=TIMES, later=TIMES)
def test_nothing_is_good_after_a_revocation(generation: int, now: float, later: float) -> None:
    revoked = Credential(generation=generation).rotate(now, 1e9).revoke(now)
    assert keys(revoked, later) == []


@given(generation=st.integers(0, 1000), now=TIMES)
def test_a_new_enrolment_shares_no_key_with_what_was_before(generation: int, now: float) -> None:
    before = Credential(generation=generation).rotate(now, 1e9)
    after = before.revoke(now).reissue(now)
    assert not set(keys(before, now)) & set(keys(after, now))
    assert len(keys(after, now)) == 1


@given(st.text(), st.text(), st.integers(0, 99), st.integers(0, 99))
def test_no_two_satellites_or_generations_share_a_key(one: str, two: str, first: int, second: int) -> None:
    same = key_of(one, first, SECRET) == key_of(two, second, SECRET)
    assert same == ((one, first) == (two, second))


@given(
    st.lists(st.text(alphabet="ab"), min_size=4, max_size=4),
    st.lists(st.text(alphabet="ab"), min_size=4, max_size=4),
)
def test_a_proof_is_of_exactly_its_words(one: list[str], two: list[str]) -> None:
    assert (proofs.of_satellite(*one) == proofs.of_satellite(*two)) == (one == two)
    assert proofs.of_satellite(*one) != proofs.of_conductor(*one)


def test_a_refusal_is_told_once_a_minute_and_counted() -> None:
    refusals = Refusals()
    assert refusals.note("no", 0.0) == "no"
    assert [refusals.note("no", at) for at in (1.0, 30.0, 59.9)] == [None] * 3
    assert refusals.note("other", 30.0) == "other"
    assert refusals.note("no", 60.0) == "no (and 3 times before)"
    assert refusals.note("no", 120.0) == "no"


def test_failures_of_an_address_are_counted_by_the_minute() -> None:
    refusals = Refusals()
    for at in (0.0, 1.0, 2.0):
        refusals.failed("a", at)
    assert (refusals.failures("a", 3.0), refusals.failures("b", 3.0)) == (3, 0)
    assert refusals.failures("a", 60.0) == 0
    refusals.failed("a", 61.0)
    assert refusals.failures("a", 62.0) == 1


def test_a_flood_of_names_takes_no_memory() -> None:
    refusals = Refusals()
    for number in range(5_000):
        refusals.note(f"text {number}", 1.0)
        refusals.failed(f"address {number}", 1.0)
    assert len(refusals._told) <= 1_000
    assert len(refusals._failures) <= 1_000
    assert refusals.note("later", 100.0) == "later"
