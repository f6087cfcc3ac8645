from hypothesis import given
from hypothesis import strategies as st

from conductor.records.byte_cache import ByteCache


def test_what_was_changed_while_it_was_read_is_not_kept() -> None:
    cache = ByteCache(100)
    filling = cache.filling()
    cache.forget("a")
    cache.put("a", b"old", filling)
    assert cache.get("a") is None
    cache.put("a", b"new", cache.filling())
    assert cache.get("a") == b"new"


def test_the_least_recently_used_leaves_first() -> None:
    cache = ByteCache(40)
    for key in "abcd":
        cache.put(key, b"x" * 10, cache.filling())
    cache.get("a")
    cache.put("e", b"x" * 10, cache.filling())
    assert [key for key in "abcde" if cache.get(key)] == ["a", "c", "d", "e"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-1, 30))))
def test_it_never_holds_more_than_its_capacity(steps: list[tuple[str, int]]) -> None:
    cache = ByteCache(64)
    for key, size in steps:
        if size < 0:
            cache.forget(key)
            assert cache.get(key) is None
        else:
            cache.put(key, b"x" * size, cache.filling())
        held = sum(len(cache.get(key) or b"") for key in "abcdef")
        assert held <= 64
        assert held == cache._size
