"""The monitors and alerts of a new installation (contract structures/defaults.yaml). Everything is relied upon."""

from conductor.definitions.json_values import Json

_LINUX = "Linux only."


def _monitor(id: str, title: str, source: str, type_: str, scale: float, suffix: str = "") -> Json:
    return {
        "id": id,
        "title": title,
        "source": source,
        "data_type": type_,
        "suffix": suffix,
        "groups": [],
        "display": True,
        "min_vert_scale": scale,
    }


def _rate(id: str, title: str, source: str, type_: str, scale: float) -> Json:
    """A counter, shown as change a second."""
    made = _monitor(id, title, source, type_, scale, "/sec")
    return {**made, "delta": True, "delta_min_value": 0, "divide_by_delta": True}


def monitors() -> list[Json]:
    listed = [
        _monitor("load_avg", "CPU Load Average", "load[0]", "float", 1.0),
        _monitor("cpu_usage", "CPU Usage %", "cpu.currentLoad", "float", 100, "%"),
        _monitor("mem_used", "Memory in Use", "memory.used", "bytes", 1024),
        _monitor("mem_free", "Available Memory", "memory.available", "bytes", 1024),
        _monitor("net_conns", "Network Connections", "stats.network.conns", "integer", 10),
        _monitor("disk_usage_root", "Disk Usage % (Root)", "mounts.root.use", "float", 100, "%"),
        _rate("disk_read_sec", "Disk Read (Bytes)", "stats.fs.rx", "bytes", 1024),
        _rate("disk_write_sec", "Disk Write (Bytes)", "stats.fs.wx", "bytes", 1024),
        _rate("disk_iops_sec", "Disk I/O Operations", "stats.io.tIO", "integer", 100),
        {**_monitor("io_wait", "CPU I/O Wait %", "cpu.totals.iowait", "float", 100, "%"), "notes": _LINUX},
        {
            **_monitor("open_files", "Open Files", "commands.open_files", "integer", 10),
            "data_match": r"(\d+)",
            "notes": _LINUX,
        },
        _rate("os_bytes_in_sec", "Network In (Bytes)", "stats.network.rx_bytes", "bytes", 1024),
        _rate("os_bytes_out_sec", "Network Out (Bytes)", "stats.network.tx_bytes", "bytes", 1024),
        _monitor("total_procs", "Total Processes", "processes.all", "integer", 10),
        _monitor("active_jobs", "Active Jobs", "jobs", "integer", 10),
    ]
    return [{**monitor, "sort_order": place} for place, monitor in enumerate(listed)]


def _alert(id: str, title: str, expression: str, message: str, monitor_id: str) -> Json:
    return {
        "id": id,
        "title": title,
        "expression": expression,
        "message": message,
        "groups": [],
        "actions": [],
        "monitor_id": monitor_id,
        "enabled": True,
        "samples": 1,
    }


def alerts() -> list[Json]:
    return [
        _alert(
            "load_avg_high",
            "High CPU Load",
            "monitors.load_avg >= (cpu.cores + 1)",
            "CPU load average is too high: {{float(monitors.load_avg)}} ({{cpu.cores}} CPU cores)",
            "load_avg",
        ),
        _alert(
            "mem_free_low",
            "Low Memory",
            "memory.available < (memory.total * 0.05)",
            "Less than 5% of total memory is available "
            "({{bytes(memory.available)}} of {{bytes(memory.total)}})",
            "mem_free",
        ),
        _alert(
            "io_wait_high",
            "High I/O Wait",
            "monitors.io_wait >= 75",
            "Disk I/O wait is too high: {{pct(monitors.io_wait)}}",
            "io_wait",
        ),
        _alert(
            "disk_usage_root_high",
            "Disk Full",
            "monitors.disk_usage_root >= 90",
            "Root filesystem is {{pct(monitors.disk_usage_root)}} full.",
            "disk_usage_root",
        ),
        {
            **_alert(
                "active_jobs_high",
                "High Active Jobs",
                "monitors.active_jobs >= 50",
                "Active job count is too high: {{number(monitors.active_jobs)}}",
                "active_jobs",
            ),
            "limit_jobs": True,
            "abort_jobs": False,
        },
    ]
