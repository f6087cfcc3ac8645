from pathlib import Path
from typing import NamedTuple

import pytest

from conductor.access.account import Account
from conductor.errors import AccessDenied, BadParameter, Refusal
from conductor.filing.bucket_access import require_bucket, sees_bucket
from conductor.filing.inputs import checked_inputs, owned_inputs
from conductor.filing.limits import bucket_uploads, job_uploads
from conductor.filing.uploads import UploadRules, file_object
from conductor.settings import SettingsError

RANDOM = "r" * 43


class Brought(NamedTuple):
    name: str
    size: int = 3
    path: Path = Path("x")
    sha256: str = ""


@pytest.mark.parametrize(
    ("accepted", "name", "media_type", "fits"),
    [
        ("", "a.exe", "", True),
        (".csv,.TXT", "a.txt", "", True),
        ("csv, txt", "A.CSV", "", True),
        (".csv", "a.csv.exe", "", False),
        ("image/*", "a.png", "image/png; q=1", True),
        ("image/*", "a.png", "text/html", False),
        ("text/csv,.log", "x", "text/csv", True),
    ],
)
def test_accepted_file_types_are_enforced(accepted: str, name: str, media_type: str, fits: bool) -> None:
    """files.yaml and buckets.yaml: upload limits are not enforced server-side."""
    rules = UploadRules("bucket", 10, 2, accepted)
    if fits:
        rules.check(name, media_type)
    else:
        with pytest.raises(Refusal, match="not accepted") as refused:
            rules.check(name, media_type)
        assert refused.value.code == "bucket"


def test_sizes_and_counts_have_limits() -> None:
    rules = UploadRules("job", 10, 2)
    rules.check_size("a", 10)
    rules.check_count(2)
    with pytest.raises(Refusal, match="too large"):
        rules.check_size("a", 11)
    with pytest.raises(Refusal, match="Too many"):
        rules.check_count(3)


def test_a_file_object_has_the_contracts_properties_and_no_empty_ones() -> None:
    made = file_object(Brought("Größe.TXT"), "files/x", 5.9, username="ann", server="")
    assert made.pop("id").startswith("f")
    assert made == {"date": 5, "filename": "Gr_e.TXT", "path": "files/x", "size": 3, "username": "ann"}


def test_limits_come_from_the_settings_of_the_client() -> None:
    uploads = bucket_uploads({"bucket_upload_settings": {"max_files_per_bucket": "3", "unknown": 1}})
    assert uploads.rules == UploadRules("bucket", 1024**3, 3, "")
    assert job_uploads({}).user_file_expiration == "30 days"
    with pytest.raises(SettingsError, match="job_upload_settings"):
        job_uploads({"job_upload_settings": {"max_file_size": "big"}})


def test_input_files_of_a_caller_are_ours_and_clean() -> None:
    path = f"files/ann/{RANDOM}/a.txt"
    given = {"id": "f1", "path": path, "filename": "../../x.sh", "size": 3, "evil": {"a": 1}, "date": 4}
    assert checked_inputs([given]) == [{"id": "f1", "path": path, "filename": "x.sh", "size": 3, "date": 4}]
    assert checked_inputs([{"path": path}])[0]["filename"] == "a.txt"


@pytest.mark.parametrize(
    "files",
    [5, "x", [5], [{}], [{"path": 5}], [{"path": "logs/jobs/j1/log.txt.gz"}], [{"path": "files/../secret_key"}],
     [{"path": "files/%2e%2e/secret_key"}], [{"path": "http://elsewhere/x"}], [{"path": "files/a?x=1"}]],
)  # fmt: skip
def test_input_files_that_are_none_of_ours_are_refused(files: object) -> None:
    with pytest.raises(BadParameter, match="files"):
        checked_inputs(files)


def test_only_a_jobs_own_inputs_go_with_it() -> None:
    own = f"files/ann/{RANDOM}/a.txt"
    files = [
        {"path": own},
        {"path": f"files/bucket/b1/{RANDOM}/b.txt", "bucket": "b1"},
        {"path": f"files/t1/ann/{RANDOM}/c.txt", "ticket": "t1"},
        {"path": f"files/jobs/j9/{RANDOM}/d.txt", "job": "j9"},
        {"path": f"files/jobs/j9/{RANDOM}/e.txt"},
        {"path": "files/../x"}, {"path": 5}, "files/x", {"path": "users/ann/avatar/64.png"},
    ]  # fmt: skip
    assert owned_inputs({"id": "j1", "input": {"files": files}}) == [own]
    assert owned_inputs({"id": "j1", "input": None}) == []


def account(**limits: frozenset[str]) -> Account:
    return Account(kind="user", name="ann", title="ann", **limits)


def test_a_bucket_can_be_kept_to_categories_and_groups() -> None:
    """buckets.yaml: no category or group scoping, every account can read every bucket."""
    ops = account(categories=frozenset({"ops"}))
    assert sees_bucket(ops, {"id": "b1"})
    assert sees_bucket(ops, {"id": "b1", "categories": ["ops", "web"]})
    assert sees_bucket(account(), {"id": "b1", "categories": ["web"]})  # unlimited
    assert not sees_bucket(account(groups=frozenset({"main"})), {"id": "b1", "groups": ["db"]})
    with pytest.raises(AccessDenied, match="b1"):
        require_bucket(ops, {"id": "b1", "categories": ["web"]})
