import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.filing.names import (
    cased_name,
    display_name,
    distinct,
    random_part,
    stored_name,
    url_name,
    user_folder,
)
from conductor.filing.places import place, storage_key
from conductor.records.files import safe_key


@pytest.mark.parametrize(
    ("given", "shown", "normal"),
    [
        ("Report 2024 (final).CSV", "Report 2024 (final).CSV", "report_2024_final_.csv"),
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\Users\\ann\\A&B.txt", "A&B.txt", "a_b.txt"),
        ("Größe;x.png", "Gr_e_x.png", "gr_e_x.png"),
        ("a<b>|c.txt", "a_b_c.txt", "a_b_c.txt"),
        ("..", "file", "file"),
        ("", "file", "file"),
        ("line\nbreak.txt", "line_break.txt", "line_break.txt"),
    ],
)
def test_names_are_cleaned_by_readme_11(given: str, shown: str, normal: str) -> None:
    assert (display_name(given), url_name(given)) == (shown, normal)


@pytest.mark.parametrize(
    ("name", "stored"), [("Makefile", "makefile.bin"), ("a.TXT", "a.txt"), ("x.", "x..bin"), (".env", ".env")]
)
def test_a_path_always_ends_in_an_extension(name: str, stored: str) -> None:
    assert stored_name(name) == stored


def test_an_upload_of_ones_own_keeps_its_case() -> None:
    assert cased_name("My Chart.PNG") == "My_Chart.PNG"


@given(st.text(max_size=400))
def test_whatever_a_client_calls_its_file_it_is_stored_below_its_folder(name: str) -> None:
    for cleaned in (stored_name(name), cased_name(name)):
        key = f"files/{user_folder('ann')}/{random_part()}/{cleaned}"
        assert storage_key(key) == key
        assert place(key).secret
        assert safe_key(key)  # the object store takes it
        assert key.count("/") == 3
    assert "/" not in display_name(name)
    assert not re.search(r"[\r\n\0]", display_name(name))


@given(st.text(max_size=60))
def test_no_user_owns_a_room(name: str) -> None:
    assert user_folder(name) not in ("jobs", "bucket", "magic", "plugins")


@given(st.lists(st.sampled_from(["a.txt", "a-2.txt", "b", "b-2", "a.txt"]), max_size=8))
def test_files_of_one_call_never_share_a_path(names: list[str]) -> None:
    made = distinct(names)
    assert len(set(made)) == len(names) == len(made)
    assert all(one.rpartition(".")[2] == other.rpartition(".")[2] or "." not in other
               for one, other in zip(made, names, strict=True))  # fmt: skip


def test_random_parts_keep_their_case_and_so_their_entropy() -> None:
    """files.yaml: lower-casing keys removes case entropy from RANDOM."""
    parts = [random_part() for _ in range(50)]
    assert all(len(part) == 43 for part in parts)
    assert any(part != part.lower() for part in parts)
    assert len(set(parts)) == len(parts)
