"""What texts, mails, web hooks and plugins are told of a job (contract actions.md §8, structures/job_hook_data.yaml).

The conductor's environment is never part of it, and neither are values of password parameters.
"""

from collections.abc import Mapping
from typing import Any

from conductor.actions import display, texts
from conductor.actions.surroundings import Surroundings
from conductor.live.job import ActiveJob
from shared import clock
from shared.protocol import tokens

Json = dict[str, Any]

HIDDEN = "(Hidden)"


def job_data(around: Surroundings, job: ActiveJob) -> Json:
    """All that does not depend on the action: computed once for a condition."""
    event = around.find("events", job.job.get("event"))
    plugin = around.find("plugins", job.job.get("plugin"))
    record = {**job.details, **job.job}
    if params := _password_params(record.get("params"), plugin, event, {"fields": record.get("fields")}):
        record["params"] = {**record["params"], **dict.fromkeys(params, HIDDEN)}
    server = around.server(job.server) if job.server else None
    data: Json = {
        "job": record,
        "event": event,
        "plugin": plugin,
        "category": around.find("categories", job.job.get("category")),
        **_server(around, job, server),
        "links": _links(around, job),
        "display": {
            "elapsed": display.duration(_elapsed(job.job)),
            "log_size": display.size(job.job.get("log_file_size")),
            "perf": display.perf(job.job.get("perf")),
            "mem": display.memory(job.job.get("mem")),
            "cpu": display.cpu(job.job.get("cpu")),
        },
    }
    if server is not None:
        data["server"] = server
    return data


def with_action(around: Surroundings, data: Json, action: Mapping[str, Any], condition: str) -> Json:
    """The data of one action, with the text that tells what happened."""
    told = {**data, "action": action}
    name = texts.job_template(around.templates, action, data["job"], condition)
    text = texts.text(around.templates, name, told, around.product, around)
    return {**told, "text": text, "content": text, "message": text}


def mail_data(around: Surroundings, data: Json, output: str) -> Json:
    """What mails show besides."""
    job = data["job"]
    return {
        **data,
        "display": {**data["display"], "date_time": display.local_time(clock.now(), around.zone)},
        "log_excerpt": display.excerpt(output or str(job.get("output") or "")),
        "user_content": display.user_content(job),
        "config": around.config,
    }


def _server(around: Surroundings, job: ActiveJob, server: Mapping[str, Any] | None) -> Json:
    if server is None:
        return {"nice_server": around.settings.host_id(), "nice_hostname": around.settings.host_id()}
    hostname = str(server.get("hostname") or server.get("id"))
    title = server.get("title")
    return {
        "nice_server": f"{title} ({hostname})" if title else hostname,
        "nice_hostname": display.without(around.settings.hostname_display_strip, hostname),
    }


def _links(around: Surroundings, job: ActiveJob) -> Json:
    token = tokens.log_token(job.id, around.settings.secret_key)
    files = [
        f"- [{one.get('filename', '')}]({around.base_url}/{one['path']}) ({display.size(one.get('size'))})"
        for one in job.details.get("files") or ()
        if isinstance(one, dict) and isinstance(one.get("path"), str)
    ]
    return {
        "job_details": f"{around.base_url}/#Job?id={job.id}",
        "job_log": f"{around.base_url}/api/app/download_job_log?id={job.id}&t={token}",
        "job_files": "\n".join(files) or display.NONE,
    }


def _elapsed(job: Mapping[str, Any]) -> float:
    if "elapsed" in job:
        return display.number(job["elapsed"])
    return clock.now() - display.number(job.get("started"))


def _password_params(values: Any, *holders: Mapping[str, Any] | None) -> list[str]:
    """IDs of parameters that hold passwords and have a value."""
    if not isinstance(values, dict):
        return []
    return [
        str(field["id"])
        for holder in holders
        if holder
        for name in ("fields", "params")
        for field in (holder[name] if isinstance(holder.get(name), list) else ())
        if isinstance(field, dict) and field.get("variant") == "password" and values.get(str(field.get("id")))
    ]
