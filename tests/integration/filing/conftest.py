"""Files on a real database (once of each engine) and a real object store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conductor.filing.bucket_contents import BucketContents
from conductor.filing.buckets import Buckets
from conductor.filing.expiry import FileExpiry
from conductor.filing.job_files import JobFiles
from conductor.filing.uploads import UploadRules
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.store import Records
from tests.databases import database_url, postgres, records

__all__ = ["database_url", "filing", "postgres", "records"]


class Brought(NamedTuple):
    """A file that came with a request."""

    name: str
    path: Path
    size: int
    sha256: str = ""
    type: str = ""


@dataclass
class Filing:
    folder: Path
    records: Records
    files: Files
    expiry: FileExpiry
    archive: JobArchive
    jobs: JobFiles
    buckets: Buckets
    active: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    count: int = 0

    def brought(self, name: str, content: bytes = b"content", **more: str) -> Brought:
        self.count += 1
        path = self.folder / f"upload-{self.count}"
        path.write_bytes(content)
        return Brought(name, path, len(content), **more)

    def stored(self) -> set[str]:
        """Keys of everything in the object store."""
        root = self.folder / "store"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    async def get(self, key: str) -> bytes | None:
        return await self.files.get(key)


@pytest.fixture
def filing(records: Records, tmp_path: Path) -> Filing:
    files = Files.open((tmp_path / "store").as_uri())
    expiry = FileExpiry(records, files)
    archive = JobArchive(records)
    active: dict[str, Mapping[str, Any]] = {}
    known = {"b1"}
    jobs = JobFiles(files, archive, expiry, UploadRules("job", 100, 3), active.get)
    buckets = Buckets(
        BucketContents(records), files, expiry, UploadRules("bucket", 100, 3, ""), known.__contains__,
        max_data_size=2_000,
    )  # fmt: skip
    return Filing(tmp_path, records, files, expiry, archive, jobs, buckets, active, known)
