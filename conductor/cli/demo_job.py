"""The job of the demonstration: packs and checksums Python's own library, one directory after the other."""

import shlex
import sysconfig
from typing import Any

# Only what every POSIX host has; `N%` alone on a line is progress, a line of JSON with "xy" speaks to the
# conductor, everything else is log (contract plugins.md §3).
_SCRIPT = """#!/bin/sh
set -eu
source=SOURCE

checksum() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-16
}

set --
for path in "$source"/*/; do
    name=$(basename "$path")
    case $name in
        site-packages | dist-packages | test | __pycache__ | config-*) ;;
        *) set -- "$@" "$name" ;;
    esac
done

echo "Packing $# directories of $source"
done=0
before=0
after=0
for name; do
    tar -C "$source" -cf part.tar "$name"
    gzip -c part.tar > part.tar.gz
    plain=$(wc -c < part.tar)
    packed=$(wc -c < part.tar.gz)
    sum=$(checksum < part.tar.gz)
    printf '%-20s %9d KB -> %7d KB  %s\\n' "$name" $((plain / 1024)) $((packed / 1024)) "$sum"
    before=$((before + plain))
    after=$((after + packed))
    done=$((done + 1))
    echo "$((done * 100 / $#))%"
done
rm -f part.tar part.tar.gz

summary="Packed $# directories: $((before / 1048576)) MB became $((after / 1048576)) MB"
printf '{"xy": 1, "complete": true, "code": 0, "description": "%s"}\\n' "$summary"
"""


def script() -> str:
    return _SCRIPT.replace("SOURCE", shlex.quote(sysconfig.get_path("stdlib")))


def event() -> dict[str, Any]:
    """The event's definition, as `create_event` takes it."""
    return {
        "title": "Pack Python's library",
        "enabled": True,
        "category": "general",
        "plugin": "shellplug",
        "targets": ["main"],
        "algo": "random",
        "triggers": [{"type": "manual", "enabled": True}],
        "params": {"script": script()},
    }
