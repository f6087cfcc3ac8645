"""A minute sample as a busy small host sends it (contract monitor_data.md §3): about 27 KB of JSON."""

import msgspec

from conductor.cli.client import Json

SIZE = 27 * 1024
"""Bytes of the JSON frame's payload, within the size of one process."""

_USAGE = {"user": 9.1, "nice": 0.0, "system": 3.2, "idle": 87.5, "iowait": 0.1, "irq": 0.0, "softirq": 0.1}


def minute_sample() -> Json:
    """The sample without `server` and `hostname`, which each satellite adds. Processes fill it up to SIZE."""
    processes: list[Json] = []
    data: Json = {
        "uptime_sec": 1_203_884.5,
        "arch": "x64",
        "platform": "linux",
        "release": "6.8.0-45-generic",
        "load": [0.41, 0.52, 0.44],
        "jobs": 1,
        "process": {"pid": 871, "started": 1_761_040_020.1, "mem": 68_157_440, "cpu": 0.5},
        "memory": {name: 8_589_934_592 - 4096 * at for at, name in enumerate(_MEMORY)},
        "cpu": {
            "manufacturer": "AMD",
            "brand": "EPYC 7763",
            "cores": 8,
            "physicalCores": 4,
            "avgLoad": 0.41,
            "currentLoad": 12.5,
            "totals": {**_USAGE, "active": 12.5},
            "cpus": [{**_USAGE, "active": 12.5} for _ in range(8)],
        },
        "stats": {
            "io": {
                "rIO": 120_331,
                "wIO": 998_121,
                "tIO": 1_118_452,
                "rIO_sec": 1.2,
                "wIO_sec": 31.0,
                "ms": 60_000,
            },
            "fs": {
                "rx": 99_120_128,
                "wx": 4_812_992,
                "tx": 103_933_120,
                "rx_sec": 1024.0,
                "wx_sec": 88_201.5,
            },
            "network": {
                "rx_bytes": 8_812_345,
                "tx_bytes": 912_345,
                "conns": 24,
                "states": {"established": 17},
            },
        },
        "mounts": {
            name: {
                "fs": f"/dev/{name}",
                "type": "ext4",
                "size": 64 * 1024**3,
                "used": 21 * 1024**3,
                "use": 32.81,
            }
            for name in ("root", "boot", "var_lib", "srv_data")
        },
        "interfaces": {
            name: {
                "iface": name,
                "ip4": "10.20.0.7",
                "rx_bytes": 8_812_345,
                "tx_bytes": 912_345,
                "rx_sec": 921.5,
            }
            for name in ("lo", "eth0", "docker0")
        },
        "conns": [
            {"type": "tcp", "state": "ESTABLISHED", "local_addr": f"10.20.0.7:{50_000 + at}", "pid": 871 + at}
            for at in range(24)
        ],
        "processes": {"all": 96, "running": 2, "sleeping": 94, "list": processes},
        "commands": {"open_files": "3392\t0\t9223372036854775807"},
    }
    sample = {"version": "1.0", "date": 1_761_051_660.04, "data": data}
    while len(msgspec.json.encode(sample)) < SIZE:
        processes.append(_process(900 + len(processes)))
    return sample


def _process(pid: int) -> Json:
    return {
        "pid": pid,
        "parentPid": 1,
        "user": "www-data",
        "group": "www-data",
        "cpu": 0.12,
        "mem": 0.4,
        "memRss": 71_303_168,
        "memVsz": 331_350_016,
        "priority": 19,
        "nice": 0,
        "threads": 4,
        "started": 1_761_040_100,
        "age": 11_560,
        "time": 121,
        "state": "Sleeping",
        "class": "TS",
        "command": "/usr/bin/worker --queue default --concurrency 4",
    }


_MEMORY = (
    *(
        "total",
        "free",
        "available",
        "used",
        "buffers",
        "cached",
        "swapcached",
        "active",
        "inactive",
        "unevictable",
    ),
    *(
        "mlocked",
        "swaptotal",
        "swapfree",
        "dirty",
        "writeback",
        "anonpages",
        "mapped",
        "shmem",
        "slab",
        "percpu",
    ),
)
