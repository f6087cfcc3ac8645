"""Where files that enter a bucket go: each to a path of its own, or in place of one of the same name. Pure.

Contract api/buckets.yaml, upload_bucket_files; structures/bucket.yaml.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conductor.errors import Refusal
from conductor.filing.bucket_contents import Filed
from conductor.filing.names import random_part, stored_name, url_name

Json = dict[str, Any]

_OWNERS = ("username", "server", "job")


class Entering(NamedTuple):
    """A file that waits in the store under `staged`. `file`: what its File will say, without id and path."""

    staged: str
    file: Json


class Step(NamedTuple):
    """Move `staged` to `file["path"]`. `fresh`: there was no file of that name."""

    name: str
    staged: str
    position: int
    file: Json
    fresh: bool


def plan(
    bucket: str, present: Mapping[str, Filed], entering: Sequence[Entering], *, most: int, now_ns: int
) -> list[Step]:
    """The steps in order. Raises Refusal `bucket`, before anything is done, when the bucket would be too full."""
    names = dict(present)
    steps: list[Step] = []
    for number, one in enumerate(entering):
        name = url_name(str(one.file["filename"]))
        old = names.get(name)
        if old is None:
            if len(names) >= most:
                raise Refusal("bucket", f"Bucket is full (at most {most} files): {one.file['filename']}")
            path = f"files/bucket/{bucket}/{random_part()}/{stored_name(name)}"
            filed = Filed(now_ns + number, {**one.file, "path": path})
        else:
            kept = {key: value for key, value in old.file.items() if key not in (*_OWNERS, "sha256")}
            filed = Filed(
                old.position, {**kept, **one.file, "id": old.file.get("id"), "path": old.file["path"]}
            )
        names[name] = filed
        steps.append(Step(name, one.staged, filed.position, filed.file, fresh=old is None))
    return steps
