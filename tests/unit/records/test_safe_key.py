import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import BadParameter
from conductor.records.files import safe_key


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("files/jobs/J1/a.txt", "files/jobs/j1/a.txt"),
        ("//a///b/", "a/b"),
        ("Übersicht (1).PDF", "ubersicht1.pdf"),
        ("a/%2e%2e/b", "a/2e2e/b"),
        ("..a/b..", "..a/b.."),
        ("a\\..\\b", "a..b"),
    ],
)
def test_paths_become_keys(path: str, key: str) -> None:
    assert safe_key(path) == key


@pytest.mark.parametrize(
    "path", ["", "/", "..", "a/../b", "./a", "a/.", "a/%../b", ".\x00.", "．．/a", "%", "a/" * 600, "x" * 241]
)
def test_paths_that_are_refused(path: str) -> None:
    with pytest.raises(BadParameter):
        safe_key(path)


@given(st.text(alphabet=st.one_of(st.sampled_from("./\\a%~\x00 "), st.characters()), max_size=40))
def test_a_key_never_climbs_and_is_its_own_key(path: str) -> None:
    try:
        key = safe_key(path)
    except BadParameter:
        return
    assert re.fullmatch(r"[a-z0-9_\-./]+", key)
    assert not {"", ".", ".."} & set(key.split("/"))
    assert safe_key(key) == key
