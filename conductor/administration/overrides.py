"""Settings that administrators change while the conductor runs: kept in a file over all other sources.

The file is a flat object of dotted paths (contract platform.md §1), readable by its owner alone, and written
before a change counts. What cannot be read back as settings never gets into it. All but what is this host's own is
in the database as well, so that whoever is primary next goes on with it.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from conductor.administration import config_paths
from conductor.administration.shared_overrides import SharedOverrides
from conductor.errors import BadParameter, Unavailable
from conductor.settings import Settings
from conductor.settings_reading import read_overrides
from conductor.signals import EventRow

Json = dict[str, Any]

log = structlog.get_logger(__name__)


class Overrides:
    def __init__(self, file: Path, settings: Settings, base: Settings, shared: SharedOverrides) -> None:
        """`settings`: the live ones, which all parts share. `base`: what they are without overrides."""
        self._file = file
        self._settings = settings
        self._base = base
        self._shared = shared
        self._lock = asyncio.Lock()

    def all(self) -> Json:
        """The overrides by path."""
        return read_overrides(self._file)

    def document(self) -> Json:
        """The live settings as plain values."""
        made: Json = msgspec.to_builtins(self._settings)
        return made

    async def begin(self) -> None:
        """A term begins: what another conductor was told counts here too. Raises Unavailable."""
        async with self._lock:
            own, shared = self.all(), await self._shared.load()
            if shared is None:
                await self._share(own)
                return
            wanted = {path: value for path, value in own.items() if config_paths.of_host(path)} | shared
            if wanted == own:
                return
            try:
                await self._take_over(own, wanted)
            except BadParameter as error:  # of another version, perhaps: a term must not fail for it
                log.error("settings of the cluster cannot be used here", reason=error.description)

    async def _take_over(self, own: Json, wanted: Json) -> None:
        changed = {path for path in own.keys() | wanted.keys() if own.get(path) != wanted.get(path)}
        base: Json = msgspec.to_builtins(self._base)
        document = self.document()
        for path in changed:
            steps = config_paths.steps(path)
            value = wanted[path] if path in wanted else config_paths.found(base, steps)
            config_paths.placed(document, steps, value)
        fresh = config_paths.settings_of(document)
        await self._keep(wanted)
        _adopt(self._settings, fresh, {config_paths.steps(path)[0] for path in changed})
        late = sorted(path for path in changed if config_paths.needs_restart(path))
        log.info("settings of the cluster taken over", paths=sorted(changed), after_restart=late)

    async def share_again(self) -> None:
        """The secret key has changed. Raises Unavailable."""
        async with self._lock:
            await self._share(self.all())

    async def _share(self, overrides: Json, events: Sequence[EventRow] = ()) -> None:
        ours = {path: value for path, value in overrides.items() if not config_paths.of_host(path)}
        if ours or events or await self._shared.load():
            await self._shared.save(ours, events)

    async def update(self, changes: Mapping[str, Any], events: Sequence[EventRow] = ()) -> list[str]:
        """Apply and keep `changes`, path to value; null takes an override back. Returns what needs a restart.

        All or nothing, and `events` with what the cluster shares. Raises BadParameter, Unavailable when the
        file cannot be written.
        """
        paths = {path: config_paths.steps(path) for path in changes}
        async with self._lock:
            document, overrides = self.document(), self.all()
            base = msgspec.to_builtins(self._base)
            for path, steps in paths.items():
                value = changes[path]
                name = ".".join(steps)
                if value == config_paths.WITHHELD:
                    continue
                if value is None:
                    overrides.pop(name, None)
                    config_paths.placed(document, steps, config_paths.found(base, steps))
                else:
                    overrides[name] = value
                    config_paths.placed(document, steps, value)
            fresh = config_paths.settings_of(document)
            await self._share(overrides, events)
            await self._keep(overrides)
            _adopt(self._settings, fresh, {steps[0] for steps in paths.values()})
        return sorted(path for path in changes if config_paths.needs_restart(path))

    async def _keep(self, overrides: Json) -> None:
        try:
            encoded = msgspec.json.format(msgspec.json.encode(overrides), indent=2)
            await asyncio.to_thread(_write, self._file, encoded)
        except OSError as error:
            raise Unavailable(f"The overrides cannot be written: {error.strerror}") from None


def _adopt(live: msgspec.Struct, fresh: msgspec.Struct, names: set[str]) -> None:
    """Take over the named fields; nested settings keep their identity, since parts hold on to them."""
    for field in fresh.__struct_fields__:
        if field not in names:
            continue
        value, own = getattr(fresh, field), getattr(live, field)
        if isinstance(value, msgspec.Struct) and isinstance(own, msgspec.Struct):
            _adopt(own, value, set(value.__struct_fields__))
        else:
            setattr(live, field, value)


def _write(file: Path, text: bytes) -> None:
    fresh = file.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(text + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
