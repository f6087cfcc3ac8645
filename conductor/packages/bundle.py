"""A satellite's package, made from what this conductor runs on: no download, no build server.

    package.json            name, version, os, arch, python
    bin/opsorbit-satellite  starts it
    bin/python              the Python it runs on
    lib/                    the satellite and the libraries it needs
    runtime/                that Python (Linux)

The same installation makes the same bytes, so that all conductors of a cluster give out one checksum.
"""

import gzip
import importlib.util
import io
import os
import platform
import re
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

import msgspec

from conductor.packages.runtime import File, runtime_files

NAME = "opsorbit-satellite"
_OWN = ("satellite", "shared")
_LIBRARIES = ("aiohttp", "msgspec", "structlog", "psutil")
_SOURCES = (".pyc", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.\-]*")
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_PARTS = Path(__file__).parent / "parts"
_COMPRESSION = 6


def host_platform() -> tuple[str, str]:
    """(os, arch) of this host, as packages are named: `linux`, `darwin`; `x64`, `arm64`."""
    machine = platform.machine().lower()
    return sys.platform, _ARCHITECTURES.get(machine, machine)


def file_name(system: str, arch: str) -> str:
    return f"satellite-{system}-{arch}.tar.gz"


def build(target: Path, release: str) -> None:
    """Write the package for hosts like this one to `target`, whole or not at all. Takes seconds: use a thread."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".package-")
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            # No name and no time in the header: equal contents, equal checksum.
            gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            _fill(archive, release)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _fill(archive: tarfile.TarFile, release: str) -> None:
    system, arch = host_platform()
    described = {
        "name": NAME,
        "version": release,
        "os": system,
        "arch": arch,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "libc": " ".join(platform.libc_ver()),
    }
    _add(archive, PurePosixPath("package.json"), msgspec.json.format(msgspec.json.encode(described)) + b"\n")
    for part in ("opsorbit-satellite", "python", "satellite.py"):
        _add(archive, PurePosixPath("bin") / part, (_PARTS / part).read_bytes(), executable=True)
    version = f"python{described['python']}"
    for place, path in _files():
        _add(archive, place, path.read_bytes(), executable=os.access(path, os.X_OK))
    if system == "linux":
        # One line that leads from the runtime to the satellite, wherever both are put.
        line = PurePosixPath("runtime/lib") / version / "site-packages" / "opsorbit.pth"
        _add(archive, line, b"../../../../lib\n")


def _files() -> Iterator[File]:
    lib = PurePosixPath("lib")
    for name in _OWN:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise FileNotFoundError(f"the package {name} is not installed here")
        folder = Path(spec.origin).parent
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield lib / name / PurePosixPath(path.relative_to(folder)), path
    for distribution in _distributions():
        for file in sorted(distribution.files or ()):
            if ".." in file.parts or file.is_absolute() or file.suffix in _SOURCES or file.name == "RECORD":
                continue
            if (path := Path(str(file.locate()))).is_file():
                yield lib / PurePosixPath(file), path
    if sys.platform == "linux":
        yield from runtime_files()


def _distributions() -> list[metadata.Distribution]:
    """The libraries of a satellite that are installed here, with all they need."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(_LIBRARIES)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # not needed on this Python, or optional
        needed = (one for one in found[name].requires or () if "extra ==" not in one)
        waiting.extend(match[0] for one in needed if (match := _REQUIREMENT.match(one)))
    return [found[name] for name in sorted(found)]


def _add(archive: tarfile.TarFile, place: PurePosixPath, content: bytes, *, executable: bool = False) -> None:
    entry = tarfile.TarInfo(str(place))
    entry.size = len(content)
    entry.mode = 0o755 if executable else 0o644
    archive.addfile(entry, io.BytesIO(content))
