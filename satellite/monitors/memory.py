"""Memory (contract monitor_data.md §3.3), bytes."""

import re

_LINE = re.compile(r"^(?:Mem)?(\w+):\s+(\d+)( kB)?$", re.MULTILINE)


def read_memory() -> dict[str, int]:
    try:
        with open("/proc/meminfo") as file:
            return parse_meminfo(file.read())
    except OSError:
        import psutil

        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return {
            "total": memory.total,
            "free": memory.free,
            "available": memory.available,
            "used": memory.total - memory.available,
            "active": getattr(memory, "active", memory.total - memory.available),
            "swaptotal": swap.total,
            "swapfree": swap.free,
        }


def parse_meminfo(text: str) -> dict[str, int]:
    """Every line with a plain name, lower-cased without its `Mem`; `used` is what is not available."""
    memory = {name.lower(): int(value) * (1024 if unit else 1) for name, value, unit in _LINE.findall(text)}
    memory["used"] = memory.get("total", 0) - memory.get("available", memory.get("free", 0))
    return memory
