"""Exporters of Prometheus metrics on this host, read as monitor plugins (docs/monitoring.md).

A monitor plugin with the format `prometheus` gives text in the exposition format: what its command prints, or,
when the command is a URL, what is fetched from there. The lines of its script choose metrics by name.
"""

import importlib
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any

FORMAT = "prometheus"
MOST_SERIES = 2_000
"""Series of one exporter that go into a sample; further ones are left out."""
_MOST_BYTES = 8 * 1024 * 1024

Json = dict[str, Any]


def is_url(command: str) -> bool:
    return command.startswith(("http://", "https://"))


def fetch(url: str, timeout: float) -> str:
    """The exporter's text. Blocks; raises OSError or ValueError."""
    from urllib.request import ProxyHandler, build_opener  # no proxy: the exporter is on this host

    with build_opener(ProxyHandler({})).open(url, timeout=timeout) as answer:
        content: bytes = answer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes")
    return content.decode(errors="replace")


def chosen(script: str) -> Sequence[str]:
    """The names a script lists, one a line, `*` and `?` as in file names; none: all."""
    return [name for line in script.splitlines() if (name := line.strip()) and not name.startswith("#")]


def read(text: str, names: Sequence[str]) -> Json | str:
    """Metrics by name: a number, or for labelled ones a list of `{label: text, …, value}`.

    An error text when prometheus_client is not installed or the text cannot be read.
    """
    try:
        families = _parser()(text)
        return _collected(families, names)
    except ImportError:
        return "Error: prometheus_client is not installed on this host"
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return f"Prometheus Parser Error: {error}"


def _collected(families: Iterable[Any], names: Sequence[str]) -> Json:
    found: Json = {}
    series = 0
    for family in families:
        for sample in family.samples:
            if names and not any(fnmatchcase(sample.name, name) for name in names):
                continue
            value = float(sample.value)
            if not isfinite(value):
                continue
            series += 1
            if series > MOST_SERIES:
                return found
            number = int(value) if value.is_integer() and abs(value) < 2**53 else value
            if sample.labels:
                listed = found.setdefault(sample.name, [])
                if isinstance(listed, list):
                    listed.append({**sample.labels, "value": number})
            else:
                found[sample.name] = number
    return found


def _parser() -> Callable[[str], Iterable[Any]]:
    # By name: a satellite installs without it, and only hosts with such a plugin need it.
    parse: Callable[[str], Iterable[Any]] = importlib.import_module(
        "prometheus_client.parser"
    ).text_string_to_metric_families
    return parse
