"""Whether the kernel killed a process because the host, or the satellite's control group, was out of memory."""

_COUNTERS = (("/proc/vmstat", "oom_kill"), ("/sys/fs/cgroup/memory.events", "oom_kill"))


def kills() -> int | None:
    """Processes killed so far, in whatever unit; it only ever grows. None where the kernel does not count."""
    found = [count for path, name in _COUNTERS if (count := _counter(path, name)) is not None]
    return sum(found) if found else None


def explains(signal: str, before: int | None) -> bool:
    """Whether an end by `signal` was that. `before`: `kills()` at the start."""
    if signal != "SIGKILL" or before is None:
        return False
    after = kills()
    return after is not None and after > before


def _counter(path: str, name: str) -> int | None:
    try:
        with open(path) as file:
            for line in file:
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
    except (OSError, ValueError):
        pass
    return None
