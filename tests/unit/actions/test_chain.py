"""Events that run each other end after a bound."""

from conductor.actions import chain


def test_a_chain_is_remembered_and_bounded() -> None:
    job = {"event": "b", "parent": {"job": "j1", "chain": ["a"]}}
    assert chain.of(job) == ["a", "b"]
    assert chain.of({"event": "a"}) == ["a"]
    assert chain.objection(["a", "b"], "c", 3) == ""
    refused = chain.objection(["a", "b", "a"], "b", 3)
    assert "bound of 3 jobs" in refused
    assert "returns to b" in refused
    assert "returns" not in chain.objection(["a", "b", "c"], "d", 3)
    assert chain.objection(["a"] * 900, "a", 0) == ""


def test_a_parent_may_be_anything() -> None:
    for parent in (None, 5, [], {"chain": "abc"}, {"chain": [1, None, "a"]}):
        assert chain.of({"event": "b", "parent": parent})[-1] == "b"
