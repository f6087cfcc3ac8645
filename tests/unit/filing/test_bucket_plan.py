import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import Refusal
from conductor.filing.bucket_contents import Filed
from conductor.filing.bucket_plan import Entering, plan
from conductor.filing.names import url_name


def entering(name: str, **more: object) -> Entering:
    return Entering(f"staging/{name}", {"id": f"f_{name}", "filename": name, "size": 1, **more})


PRESENT = {
    "a.txt": Filed(
        7, {"id": "f1", "filename": "A.txt", "path": "files/bucket/b1/R/a.txt", "job": "j1", "size": 9}
    )
}


def test_the_same_normalised_name_is_the_same_file() -> None:
    """Seed 003: files are told apart by their normalised names; the path stays."""
    (step,) = plan("b1", PRESENT, [entering("a.TXT", username="ann")], most=1, now_ns=100)
    assert not step.fresh
    assert step.position == 7
    assert step.file == {
        "id": "f1", "filename": "a.TXT", "path": "files/bucket/b1/R/a.txt", "size": 1, "username": "ann"
    }  # fmt: skip


def test_another_name_gets_a_path_of_its_own() -> None:
    (step,) = plan("b1", PRESENT, [entering("B c.md")], most=2, now_ns=100)
    assert step.fresh
    assert step.position == 100
    assert step.file["path"].startswith("files/bucket/b1/")
    assert step.file["path"].endswith("/b_c.md")


def test_a_full_bucket_is_told_before_anything_is_done() -> None:
    """buckets.yaml: uploads that exceed the file count midway keep the blobs already written."""
    with pytest.raises(Refusal, match="full") as refused:
        plan("b1", PRESENT, [entering("a.txt"), entering("b"), entering("c")], most=2, now_ns=1)
    assert refused.value.code == "bucket"


@given(st.lists(st.sampled_from(["a.txt", "A.TXT", "b", "c d", "C_D", "e"]), max_size=12))
def test_a_bucket_never_lists_a_name_twice(names: list[str]) -> None:
    steps = plan("b1", PRESENT, [entering(name) for name in names], most=99, now_ns=1)
    paths: dict[str, str] = {}
    for step, name in zip(steps, names, strict=True):
        assert step.name == url_name(name)
        assert paths.setdefault(step.name, step.file["path"]) == step.file["path"]
    assert len(set(paths.values())) == len(paths)
