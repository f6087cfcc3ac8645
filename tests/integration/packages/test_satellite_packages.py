"""Packages from a bucket, for conductors without the Internet (contract access.md, Airgap)."""

from pathlib import Path
from typing import Any

import pytest

from conductor.errors import NotFound, Refusal
from conductor.packages.store import Packages
from conductor.records.files import Files
from conductor.settings import Settings

NAME = "satellite-linux-arm64.tar.gz"


class Listing:
    """A bucket's list of files."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    async def files(self, bucket_id: str) -> list[dict[str, Any]]:
        if bucket_id != "bpackages":
            raise Refusal("bucket", f"Bucket not found: {bucket_id}")
        return self.rows


@pytest.fixture
def listing() -> Listing:
    return Listing()


@pytest.fixture
def packages(tmp_path: Path, listing: Listing) -> Packages:
    files = Files.open((tmp_path / "files").as_uri())
    settings = Settings(satellite={"bucket": "bpackages"})
    return Packages(tmp_path, settings, "1.2.3", listing, files)


async def put(packages: Packages, listing: Listing, content: bytes, path: str) -> None:
    assert isinstance(packages.contents, Files)
    await packages.contents.put(path, content)
    listing.rows = [{"filename": NAME, "path": path, "size": len(content), "date": 1}]


async def test_a_package_comes_from_the_bucket_and_follows_its_changes(
    packages: Packages, listing: Listing
) -> None:
    await put(packages, listing, b"first", "files/bucket/bpackages/a/x")
    first = await packages.get("linux", "arm64")
    assert first.path.read_bytes() == b"first"
    assert await packages.checksums() == {NAME: first.checksum}
    await put(packages, listing, b"second", "files/bucket/bpackages/b/x")
    second = await packages.get("linux", "arm64")
    assert second.path.read_bytes() == b"second"
    assert second.checksum != first.checksum
    assert not first.path.exists(), "one copy is kept"


async def test_what_the_bucket_lacks_is_not_found_and_not_built(packages: Packages, listing: Listing) -> None:
    with pytest.raises(NotFound):
        await packages.get("linux", "x64")
    assert await packages.checksums() == {}


async def test_a_file_that_is_listed_and_gone_is_refused(packages: Packages, listing: Listing) -> None:
    listing.rows = [{"filename": NAME, "path": "files/nothing", "size": 5, "date": 1}]
    with pytest.raises(Refusal):
        await packages.get("linux", "arm64")
    assert not list(packages._made.iterdir())


async def test_without_the_bucket_it_says_so(tmp_path: Path) -> None:
    packages = Packages(tmp_path, Settings(satellite={"bucket": "bgone"}), "1", Listing(), None)
    with pytest.raises(Refusal, match="bgone"):
        await packages.get("linux", "arm64")
    with pytest.raises(Refusal, match="no satellites"):
        await packages.get("plan9", "x64")
