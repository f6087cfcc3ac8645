"""Monitor plugins: small commands whose output goes into the samples (contract plugins.md §4)."""

import asyncio
import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from satellite.jobs import credentials
from satellite.jobs.command_line import CommandLineError, arguments
from satellite.jobs.environment import own_environment
from satellite.monitors import exporter
from satellite.settings import Config
from shared.clock import monotonic

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_TIMEOUT = 10.0
_QUICK_TIMEOUT = 1.0
_MOST_OUTPUT = 1024 * 1024
_CHUNK = 64 * 1024
_MOST_TESTS = 16

log = structlog.get_logger(__name__)

Json = dict[str, Any]
TestRequest = Callable[[Json], Awaitable[None]]


class MonitorPluginRuns:
    """The plugins of this host's groups, run when a sample wants them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._groups: set[str] = set()
        self._plugins: list[Json] | None = None
        self._tests: asyncio.Queue[Json] = asyncio.Queue(_MOST_TESTS)
        self._environment = own_environment(os.environ)

    def replace(self, *, groups: Any = None, commands: Any = None) -> None:
        if isinstance(groups, list):
            self._groups = {group for group in groups if isinstance(group, str)}
        if isinstance(commands, list):
            self._plugins = [plugin for plugin in commands if isinstance(plugin, dict) and plugin.get("id")]

    def request_test(self, request: Json) -> None:
        if self._tests.full():
            log.warning("too many tests of monitor plugins at once")
        else:
            self._tests.put_nowait(request)

    async def run(self, test: TestRequest) -> None:
        """Serve tests until cancelled."""
        while True:
            await test(await self._tests.get())

    async def results(self, *, quick: bool = False) -> Json | None:
        """Results by plugin ID; None when the conductor has no monitor plugins at all."""
        if self._plugins is None or not self._plugins:
            return None
        wanted = [plugin for plugin in self._plugins if self._wanted(plugin, quick)]
        limit = asyncio.Semaphore(self._config.settings.monitor_plugin_concurrency or os.cpu_count() or 1)

        async def one(plugin: Json) -> Any:
            async with limit:
                return (await self._run(plugin, quick))[0]

        outcomes = await asyncio.gather(*(one(plugin) for plugin in wanted))
        return {str(plugin["id"]): outcome for plugin, outcome in zip(wanted, outcomes, strict=True)}

    async def test(self, plugin_id: Any) -> tuple[Any, str]:
        """(result, standard error) of one plugin run now."""
        for plugin in self._plugins or ():
            if plugin["id"] == plugin_id:
                return await self._run(plugin, quick=False)
        return "Error: Monitor Plugin not found on server", ""

    def _wanted(self, plugin: Json, quick: bool) -> bool:
        groups = plugin.get("groups")
        here = not groups or (isinstance(groups, list) and not self._groups.isdisjoint(groups))
        return here and plugin.get("enabled", True) is not False and (not quick or bool(plugin.get("quick")))

    async def _run(self, plugin: Json, quick: bool) -> tuple[Any, str]:
        timeout = _QUICK_TIMEOUT if quick else float(plugin.get("timeout") or _TIMEOUT)
        return await asyncio.to_thread(_run, plugin, timeout, self._environment)


def _run(plugin: Json, timeout: float, base: dict[str, str]) -> tuple[Any, str]:
    """Run one plugin in the calling thread; failures are texts."""
    command = str(plugin.get("command", ""))
    if plugin.get("format") == exporter.FORMAT and exporter.is_url(command):
        try:
            return _parsed(exporter.fetch(command, timeout), plugin), ""
        except (OSError, ValueError) as error:
            return f"Error: Could not read {command}: {error}", ""
    script = "" if plugin.get("format") == exporter.FORMAT else str(plugin.get("script") or "")
    try:
        account = credentials.resolve(plugin.get("uid"), plugin.get("gid"))
    except credentials.SetupError:
        kind, name = ("user", plugin.get("uid")) if plugin.get("uid") else ("group", plugin.get("gid"))
        return f"Error: Could not determine {kind} information for: {name}", ""
    environment = base | {str(name): str(value) for name, value in (plugin.get("sec") or {}).items()}
    environment |= {"USER": account.name, "USERNAME": account.name, "HOME": account.home}
    foreign = credentials.is_foreign(account)
    with tempfile.TemporaryDirectory(prefix="opsorbit-monitor-", ignore_cleanup_errors=True) as folder:
        try:
            argv = arguments(command, environment)
            if script:
                argv.append(_write_script(folder, script))
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=plugin.get("cwd") or folder,
                env=environment,
                start_new_session=True,
                user=account.uid if foreign else None,
                group=account.gid if foreign else None,
            )
        except (OSError, ValueError, CommandLineError) as error:
            return f"Error: Could not execute command: {command}: {error}", ""
        with process:
            try:
                output, errors = _outputs(process, timeout)
            except subprocess.TimeoutExpired:
                return f"Error: Command timed out after {timeout:g} seconds", ""
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    text = output[:_MOST_OUTPUT].decode(errors="replace")
    return _parsed(text, plugin), errors[:_MOST_OUTPUT].decode(errors="replace")


def _outputs(process: "subprocess.Popen[bytes]", timeout: float) -> tuple[bytes, bytes]:
    """Both streams, at most _MOST_OUTPUT of each and some: whoever prints more is not waited for.

    Raises TimeoutExpired.
    """
    deadline = monotonic() + timeout
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as selector:
        for descriptor in kept:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout)
            for key, _ in selector.select(left):
                data = os.read(key.fd, _CHUNK)
                kept[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
                elif len(kept[key.fd]) > _MOST_OUTPUT:
                    return tuple(map(bytes, kept.values()))  # type: ignore[return-value]
    process.wait(max(deadline - monotonic(), 0.01))
    return tuple(map(bytes, kept.values()))  # type: ignore[return-value]


def _write_script(folder: str, text: str) -> str:
    os.chmod(folder, 0o755)  # noqa: S103 - the plugin may run as another user
    path = os.path.join(folder, "script")
    with open(path, "w") as file:
        file.write(text + "\n")
    return path


def _parsed(text: str, plugin: Json) -> Any:
    if plugin.get("format") == exporter.FORMAT:
        return exporter.read(text, exporter.chosen(str(plugin.get("script") or "")))
    return parse(text, plugin.get("format"))


def parse(text: str, form: Any) -> Any:
    """A plugin's output by its format; what does not parse becomes an error text."""
    if form == "json" and ("{" in text or "[" in text):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            return f"JSON Parser Error: {error}"
    if form == "xml" and "<" in text:
        from xml.etree import ElementTree

        try:
            return _element(ElementTree.fromstring(text))  # noqa: S314 - output of a plugin of the operator's
        except ElementTree.ParseError as error:
            return f"XML Parser Error: {error}"
    return text.strip()


def _element(element: "Element") -> Any:
    children: Json = dict(element.attrib)
    for child in element:
        value = _element(child)
        known = children.get(child.tag)
        if known is None:
            children[child.tag] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            children[child.tag] = [known, value]
    return children or (element.text or "").strip()
