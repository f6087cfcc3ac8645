"""What texts, mails, web hooks and plugins are told of an alert.

Contract alerts.md §6, structures/alert_hook_data.yaml. A sample may be partial: whatever is missing reads `(None)`.
"""

from collections.abc import Mapping
from typing import Any

from conductor.actions import display, texts
from conductor.actions.surroundings import Surroundings

Json = dict[str, Any]
Doc = Mapping[str, Any]


def alert_data(
    around: Surroundings, invocation: Doc, definition: Doc, server: Doc, sample: Doc, condition: str
) -> Json:
    """`server` is the server's record, `sample` its latest sample, which has the measurements in `data`."""
    record = server
    if "id" not in server:
        record = around.server(str(invocation.get("server") or "")) or server
    cleared = condition == "alert_cleared"
    began = display.number(invocation.get("date"))
    ended = display.number(invocation.get("modified")) if cleared else began
    elapsed = max(int(ended - began), 0)
    server_id = str(record.get("id") or invocation.get("server") or "")
    data: Json = {
        "template": condition,
        "condition": condition,
        "alert_def": definition,
        "def": definition,
        "alert": invocation,
        "global_alert": invocation,
        "params": sample,
        "server": record,
        "config": around.config,
        "date_time": display.local_time(ended or began, around.zone),
        **_jobs(around, invocation),
        **_facts(around, record, sample),
        "nice_elapsed": display.duration(elapsed),
        "links": {
            "server_url": f"{around.base_url}/#Server?id={server_id}",
            "alert_url": f"{around.base_url}/#Alerts?id={invocation.get('id', '')}",
        },
    }
    if cleared:
        data["elapsed"] = elapsed
    text = texts.text(around.templates, condition, data, around.product, around)
    return {**data, "text": text, "content": text, "message": text}


def _facts(around: Surroundings, record: Doc, sample: Doc) -> Json:
    settings = around.settings
    measured = _object(sample, "data") or _object(record, "info")
    hostname = str(record.get("hostname") or sample.get("hostname") or record.get("id") or "")
    title = record.get("title")
    cpu, memory, system = _object(measured, "cpu"), _object(measured, "memory"), _object(measured, "os")
    load = measured.get("load")
    groups = [
        str((around.find("groups", group) or {}).get("title") or f"({group})")
        for group in record.get("groups") or sample.get("groups") or ()
    ]
    arch = system.get("arch") or measured.get("arch")
    return {
        "nice_server": f"{title} ({hostname})" if title else hostname or display.NONE,
        "nice_hostname": display.without(settings.hostname_display_strip, hostname) or display.NONE,
        "nice_ip": display.without(settings.ip_display_strip, str(record.get("ip") or "")) or display.NONE,
        "nice_groups": ", ".join(groups) or display.NONE,
        "nice_notes": str(record.get("notes") or display.NONE),
        "nice_load_avg": ", ".join(f"{display.number(one):.2f}" for one in load)
        if isinstance(load, list) and load
        else display.NONE,
        "nice_mem_total": _size(memory.get("total")),
        "nice_mem_avail": _size(memory.get("available")),
        "nice_uptime": display.duration(measured["uptime_sec"]) if "uptime_sec" in measured else display.NONE,
        "nice_cpu": _with(cpu.get("combo") or cpu.get("brand"), arch),
        "nice_os": " ".join(str(system[key]) for key in ("distro", "release") if system.get(key))
        or display.NONE,
        "nice_virt": _virtual(_object(_object(record, "info"), "virt") or _object(measured, "virt")),
    }


def _jobs(around: Surroundings, invocation: Doc) -> Json:
    ids = invocation.get("jobs")
    listed = [str(one) for one in ids] if isinstance(ids, list) else []
    active: list[Json] = []
    lines: list[str] = []
    for job_id in listed:
        job = around.active_job(job_id)
        event = str(job.get("event") or "") if job else ""
        if job:
            active.append({"id": job_id, "event": event})
        title = (around.event(event) or {}).get("title") if event else None
        link = f"- [Job #{job_id}]({around.base_url}/#Job?id={job_id})"
        lines.append(f"{link} ({title})" if title else link)
    return {"active_jobs": active, "nice_active_jobs": "\n".join(lines) or display.NONE}


def _virtual(virt: Doc) -> str:
    vendor = virt.get("vendor")
    more = ", ".join(str(virt[key]) for key in ("type", "location") if virt.get(key))
    return _with(vendor, more)


def _with(text: Any, more: Any) -> str:
    if not text:
        return display.NONE
    return f"{text} ({more})" if more else str(text)


def _size(amount: Any) -> str:
    return display.size(amount) if display.number(amount) else display.NONE


def _object(holder: Doc, key: str) -> Doc:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}
