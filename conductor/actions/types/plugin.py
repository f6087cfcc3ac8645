"""Plugin: an action plugin's process on the conductor (contract actions.md §6, plugins.md §5)."""

import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.actions import texts
from conductor.actions.display import number
from conductor.actions.occasion import Means, Occasion
from conductor.actions.plugin_process import Account, Ended, Start, UnknownAccount, account
from conductor.actions.result import Result, failed
from conductor.definitions.json_values import copied, text_of

Doc = Mapping[str, Any]

DEFAULT_SECONDS = 60.0
_OWN = ("XYOPS_", "OPSORBIT_")
_NON_WORD = re.compile(r"\W+", re.ASCII)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_QUOTED = 16 * 1024
"""Characters of a stream that the result's details show."""


async def run(occasion: Occasion, means: Means) -> Result:
    plugin_id = occasion.action.get("plugin_id")
    plugin = means.around.find("plugins", plugin_id)
    if plugin is None or plugin.get("type") != "action":
        return failed("plugin", f"Plugin not found: {plugin_id}")
    if not plugin.get("enabled", True):
        return failed("plugin", f"Plugin is disabled: {plugin.get('title')}")
    defaults = means.around.settings.default_plugin_credentials.get("action")
    try:
        who = account(
            plugin.get("uid") or (defaults.uid if defaults else ""),
            plugin.get("gid") or (defaults.gid if defaults else ""),
        )
    except UnknownAccount as error:
        return failed("plugin", str(error))
    secrets = means.ports.secrets.of_plugin(str(plugin["id"])) if means.ports.secrets else {}
    params = _params(occasion, means)
    start = Start(
        command=str(plugin.get("command") or ""),
        script=str(plugin.get("script") or ""),
        script_name=str(plugin["id"]),
        cwd=str(plugin.get("cwd") or tempfile.gettempdir()),
        environment=environment(os.environ, secrets, params, means.around.base_url, who),
        stdin=_input(occasion, means, params, secrets),
        timeout=number(plugin.get("timeout")) or DEFAULT_SECONDS,
        account=who,
    )
    try:
        ended = await means.processes.run(start)
    except (OSError, ValueError) as error:
        return failed("plugin", f"Error: Command could not be started: {_reason(error)}")
    return read(ended, plugin, start.timeout, secrets)


def environment(
    own: Mapping[str, str], secrets: Mapping[str, str], params: Doc, base_url: str, who: Account | None
) -> dict[str, str]:
    """Ours without what is ours alone, then the secrets, then scalar parameters with `$VAR` expanded."""
    variables = {name: value for name, value in own.items() if not name.startswith(_OWN)}
    if who is not None:
        variables |= who.environment
    variables |= {_NON_WORD.sub("_", name): str(value) for name, value in secrets.items()}
    variables |= {"XYOPS": "1", "XYOPS_BASE_URL": base_url}
    for name, value in params.items():
        if isinstance(value, str | int | float):
            variables[_NON_WORD.sub("_", name)] = _expanded(text_of(value), variables)
    return {
        name: value for name, value in variables.items() if name and "\0" not in value and "=" not in name
    }


def read(ended: Ended, plugin: Doc, timeout: float, secrets: Mapping[str, str]) -> Result:
    """The plugin's own result where it printed one; else how it ended. Any other output is shown."""
    said = _last_line(ended.stdout)
    if ended.timed_out:
        result = failed("plugin", f"Error: Command timed out after {timeout:g} seconds")
    elif ended.code or ended.signal:
        how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"
        told = f": {said['description']}" if said and said.get("description") else ""
        result = failed("plugin", f"Error: Command failed: {how}{told}")
    elif said is not None:
        code = said.get("code") or 0
        code = code if isinstance(code, int | float | str) and not isinstance(code, bool) else "plugin"
        default = "Plugin reported an error" if code else "Successfully ran Action Plugin"
        result = Result(code, _redacted(str(said.get("description") or default), secrets))
        if isinstance(said.get("details"), str) and said["details"]:
            return msgspec.structs.replace(result, details=_redacted(said["details"], secrets))
    else:
        result = Result(0, "Successfully ran Action Plugin")
    details = _details(ended, plugin, result)
    return msgspec.structs.replace(
        result, description=_redacted(result.description, secrets), details=_redacted(details, secrets)
    )


def _last_line(stdout: str) -> dict[str, Any] | None:
    """The JSON object with `xy` in the last line that is not empty; None for anything else."""
    lines = stdout.rstrip().rsplit("\n", 1)
    try:
        said = msgspec.json.decode(lines[-1].strip().encode())
    except (msgspec.DecodeError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.get("xy") else None


def _details(ended: Ended, plugin: Doc, result: Result) -> str:
    lines = [
        f"- **Plugin ID:** {plugin.get('id')}",
        f"- **Plugin Title:** {plugin.get('title')}",
        f"- **Result:** {result.description}",
        f"- **Exit Code:** {ended.code}",
    ]
    if ended.signal:
        lines.append(f"- **Signal:** {ended.signal}")
    for title, text in (("Output", ended.stdout), ("STDERR", ended.stderr)):
        if text.strip():
            quoted = text.strip().replace("```", "'''")
            shown = quoted if len(quoted) <= _QUOTED else "…" + quoted[-_QUOTED:]
            lines.append(f"\n**{title}:**\n\n```\n{shown}\n```")
    return "\n".join(lines)


def _params(occasion: Occasion, means: Means) -> dict[str, Any]:
    """The action's parameters with macros in texts expanded once."""
    params = occasion.action.get("params")
    return {
        str(name): texts.expanded(value, occasion.data, means.around, "")
        if isinstance(value, str)
        else copied(value)
        for name, value in (params.items() if isinstance(params, dict) else ())
    }


def _input(occasion: Occasion, means: Means, params: Doc, secrets: Mapping[str, str]) -> bytes:
    told = {key: value for key, value in occasion.data.items() if key not in ("env", "config")}
    document = {
        **told,
        "xy": 1,
        "type": "action",
        "condition": occasion.condition,
        "idempotency_key": occasion.key,
        "repeated": occasion.again,
        "params": params,
        "secrets": secrets,
        "base_url": means.around.base_url,
    }
    return msgspec.json.encode(document) + b"\n"


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def _redacted(text: str, secrets: Mapping[str, str]) -> str:
    """Results are kept in records: what a plugin prints of its secrets is not."""
    for value in sorted(map(str, secrets.values()), key=len, reverse=True):
        if value:
            text = text.replace(value, "(REDACTED)")
    return text


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
