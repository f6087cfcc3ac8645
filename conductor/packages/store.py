"""Where packages come from: a bucket for installations without the Internet, a folder, or this conductor itself.

A package is `satellite-OS-ARCH.tar.gz` (contract api/satellite.yaml, satellite/core). For hosts like this one
it is built when it is first asked for; for others somebody puts it into the bucket or the folder.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog

from conductor.errors import NotFound, Refusal
from conductor.packages import bundle
from conductor.settings import Settings

OWN = "satellite-packages"
"""The folder of the data directory that an operator may put packages into."""
_NAME = re.compile(r"satellite-(?:linux|darwin|windows)-(?:x64|arm64)\.tar\.gz")
_FETCH_SECONDS = 300.0
_BUILD_SECONDS = 300.0

log = structlog.get_logger(__name__)


class BucketFiles(Protocol):
    async def files(self, bucket_id: str) -> list[dict[str, Any]]: ...


class Contents(Protocol):
    """The object store behind buckets."""

    def stream(self, key: str) -> AsyncIterator[bytes]: ...


class Package:
    """A package on this host's disk, and its checksum."""

    def __init__(self, path: Path, checksum: str) -> None:
        self.path = path
        self.checksum = checksum


class Packages:
    """`buckets` and `contents` are needed where the setting `satellite.bucket` names a bucket."""

    def __init__(
        self,
        data_dir: Path,
        settings: Settings,
        release: str,
        buckets: BucketFiles | None = None,
        contents: Contents | None = None,
    ) -> None:
        self._folder = data_dir / OWN
        self._made = data_dir / "made-packages"
        self._settings = settings
        self._release = release
        self.buckets = buckets
        self.contents = contents
        self._locks: dict[str, asyncio.Lock] = {}
        self._checksums: dict[Path, tuple[tuple[int, int], str]] = {}
        self._built = False

    async def get(self, system: str, arch: str) -> Package:
        """The package for such hosts. Raises NotFound for one that the bucket lacks, else Refusal `satellite`."""
        name = bundle.file_name(system, arch)
        if not _NAME.fullmatch(name):
            raise Refusal("satellite", f"There are no satellites for {system}-{arch}.")
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:  # of several that ask, one builds; the names are few
            path = await self._locate(name, system, arch)
            return Package(path, await self._checksum(path))

    async def checksums(self) -> dict[str, str]:
        """Checksum by name of every package that can be had now; what has to be built is built."""
        names = {"satellite-{}-{}.tar.gz".format(*bundle.host_platform())}
        if bucket := self._bucket:
            names = {str(file.get("filename")) for file in await self._files_of(bucket)}
        elif self._folder.is_dir():
            names |= {path.name for path in self._folder.iterdir()}
        found = {}
        for name in sorted(names):
            if _NAME.fullmatch(name):
                system, arch = name.removeprefix("satellite-").removesuffix(".tar.gz").split("-")
                found[name] = (await self.get(system, arch)).checksum
        return found

    @property
    def _bucket(self) -> str:
        return str(self._settings.satellite.get("bucket") or "")

    async def _locate(self, name: str, system: str, arch: str) -> Path:
        if bucket := self._bucket:
            return await self._from_bucket(bucket, name)
        given = self._folder / name
        if given.is_file():
            return given
        if (system, arch) != bundle.host_platform():
            raise Refusal(
                "satellite",
                f"There is no package {name}: put one into {self._folder} (`opsorbit satellite package` "
                "makes it on such a host).",
            )
        return await self._build(name)

    async def _build(self, name: str) -> Path:
        path = self._made / name
        if not self._built:  # once in each process: the code may have changed under the same version
            log.info("a satellite's package is built", name=name)
            try:
                async with asyncio.timeout(_BUILD_SECONDS):
                    await asyncio.to_thread(bundle.build, path, self._release)
            except (OSError, TimeoutError) as error:
                raise Refusal("satellite", f"The package {name} cannot be built: {error}") from None
            self._built = True
        return path

    async def _from_bucket(self, bucket: str, name: str) -> Path:
        """A local copy of the bucket's file, made anew when the file changes."""
        file = next((one for one in await self._files_of(bucket) if one.get("filename") == name), None)
        if file is None or self.contents is None:
            raise NotFound(f"There is no {name} in the bucket {bucket}.")
        mark = hashlib.sha256(
            f"{file.get('path')} {file.get('date')} {file.get('size')}".encode()
        ).hexdigest()
        path = self._made / f"{mark[:16]}-{name}"
        if not path.is_file():
            self._made.mkdir(exist_ok=True)
            part = path.with_suffix(".part")
            try:
                async with asyncio.timeout(_FETCH_SECONDS):
                    with part.open("wb") as output:
                        async for chunk in self.contents.stream(str(file["path"])):
                            output.write(chunk)
                part.replace(path)
            except (OSError, TimeoutError, KeyError) as error:
                raise Refusal("satellite", f"The package {name} cannot be read: {error}") from None
            finally:
                part.unlink(missing_ok=True)
            for older in self._made.glob(f"*-{name}"):
                if older != path:
                    older.unlink(missing_ok=True)
        return path

    async def _files_of(self, bucket: str) -> list[Mapping[str, Any]]:
        if self.buckets is None:
            raise Refusal("satellite", "This conductor has no buckets to take packages from.")
        return list(await self.buckets.files(bucket))

    async def _checksum(self, path: Path) -> str:
        status = path.stat()
        mark = (status.st_mtime_ns, status.st_size)
        known = self._checksums.get(path)
        if known is None or known[0] != mark:
            known = self._checksums[path] = (mark, await asyncio.to_thread(_sha256, path))
        return known[1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
