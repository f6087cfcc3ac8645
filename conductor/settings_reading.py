"""Where settings come from; later wins: the defaults, a TOML or JSON file, `OPSORBIT_…` variables, overrides.

A variable names a key in upper case, with `__` between levels: `OPSORBIT_WEBSERVER__PORT=80`,
`OPSORBIT_TTL=60`. Keys of the original that are not listed in `settings.py` are accepted and have no effect.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from conductor.settings import Settings, SettingsError
from shared.environment import value_of

ENV_PREFIX = "OPSORBIT_"

Json = dict[str, Any]


_DURABILITIES = ("standard", "strict")
_FILE_ACCESS = ("path", "browsers", "signed")
_LONGEST_LEASE = 3600.0


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    port: int | None = None,
    overrides: Path | None = None,
) -> Settings:
    """The settings from `file` (TOML, or JSON by its ending), the environment, `port` where it is given, and
    the file of `overrides` that administrators have made.

    Raises SettingsError.
    """
    document = _read(file) if file else {}
    variables = dict(os.environ if environment is None else environment)
    if port is not None:
        variables[f"{ENV_PREFIX}WEBSERVER__PORT"] = str(port)
    _overlay(document, variables)
    for path, value in read_overrides(overrides).items() if overrides else ():
        place = document
        *steps, last = path.split(".")
        for step in steps:
            inner = place.get(step)
            place[step] = inner = inner if isinstance(inner, dict) else {}
            place = inner
        place[last] = value
    try:
        settings = msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"Settings: {error}") from None
    if settings.durability not in _DURABILITIES:
        raise SettingsError(f"Settings: durability must be one of {', '.join(_DURABILITIES)}")
    if settings.file_access not in _FILE_ACCESS:
        raise SettingsError(f"Settings: file_access must be one of {', '.join(_FILE_ACCESS)}")
    if not 0 <= 2 * settings.lease_margin_seconds < settings.lease_seconds <= _LONGEST_LEASE:
        raise SettingsError(
            "Settings: lease_seconds must be more than twice lease_margin_seconds "
            f"and at most {_LONGEST_LEASE:g}"
        )
    return settings


def read_overrides(file: Path) -> Json:
    """The overrides by dotted path; none without a file. Raises SettingsError."""
    return _read(file) if file.exists() else {}


def _read(file: Path) -> Json:
    try:
        text = file.read_text()
        document = msgspec.json.decode(text) if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"Cannot read {file}: {error.strerror}") from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {file}: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"Cannot read {file}: not an object")
    return document


def _overlay(document: Json, environment: Mapping[str, str]) -> None:
    names = {field.name.upper(): field.name for field in msgspec.structs.fields(Settings)}
    for variable, text in environment.items():
        if not variable.startswith(ENV_PREFIX):
            continue
        first, *rest = variable.removeprefix(ENV_PREFIX).split("__")
        name = names.get(first.upper())
        if name is None:
            continue
        place, key = document, name
        for step in rest:
            deeper = place.setdefault(key, {})
            if not isinstance(deeper, dict):
                raise SettingsError(f"{variable}: {key} has no parts")
            place, key = deeper, step.lower()
        place[key] = value_of(text) if rest else text
