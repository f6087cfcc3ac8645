"""The Python that goes into a package: the running interpreter, so that hosts need none of their own.

It finds its library by its own place, and the libraries it was linked with in `runtime/lib`; those of the C
library are the host's. A package therefore runs where the C library is at least as new as here.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

File = tuple[PurePosixPath, Path]
"""Where it goes, and where it is."""

_LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "distutils",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
_OF_THE_HOST = (
    "ld-linux",
    "libc.",
    "libm.",
    "libpthread",
    "libdl.",
    "librt.",
    "libutil",
    "libresolv",
    "libnss",
)
# What a satellite may import that is linked with something.
_MAPPED = (
    "import bz2, ctypes, hashlib, lzma, ssl, zlib\n"
    "for line in open('/proc/self/maps'):\n"
    "    path = line.split(maxsplit=5)[-1].strip()\n"
    "    if '.so' in path and path.startswith('/'): print(path)\n"
)
_TIMEOUT = 30.0


def runtime_files() -> Iterator[File]:
    """Every file of the runtime, below `runtime/`. Linux only."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = PurePosixPath("runtime")
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    yield home / "bin" / "python3", executable
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in sorted(stdlib.rglob("*")):
        within = path.relative_to(stdlib)
        if not path.is_file() or path.suffix in (".pyc", ".a") or _is_left_out(within.parts):
            continue
        yield home / "lib" / version / PurePosixPath(within), path
    for library in _linked(executable, stdlib):
        yield home / "lib" / library.name, library


def _is_left_out(parts: tuple[str, ...]) -> bool:
    if any(part in _LEFT_OUT or part.startswith("config-") for part in parts[:-1]):
        return True
    return parts[0] == "lib-dynload" and parts[-1].startswith(
        ("_test", "_tkinter", "_ctypes_test", "xxlimited")
    )


def _linked(executable: Path, stdlib: Path) -> list[Path]:
    """The shared libraries that the interpreter and its modules are linked with, but for the C library's."""
    mapped = subprocess.run(
        [str(executable), "-I", "-c", _MAPPED], check=True, capture_output=True, text=True, timeout=_TIMEOUT
    ).stdout.split()
    found = {}
    for name in mapped:
        path = Path(name)
        if not path.is_relative_to(stdlib) and not path.name.startswith(_OF_THE_HOST):
            found[path.name] = path
    return sorted(found.values())
