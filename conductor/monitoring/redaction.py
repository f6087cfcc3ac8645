"""Takes out of snapshots what command lines and plugins' outputs must not keep (setting `snapshot_redactions`)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

Json = dict[str, Any]

MASK = "[redacted]"
_PLACES = ("processes", "commands", "docker")
"""Parts of a sample that hold what others wrote."""

log = structlog.get_logger(__name__)


class Redaction:
    def __init__(self, patterns: Sequence[str]) -> None:
        """Python's regular expressions; one that does not compile is logged and left out."""
        self._patterns = [found for text in patterns if (found := _compiled(text)) is not None]

    def of(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """The sample itself while nothing is to be taken out."""
        data = sample.get("data")
        if not self._patterns or not isinstance(data, dict):
            return sample
        found = {key: self._cleaned(data[key]) for key in _PLACES if key in data}
        return {**sample, "data": {**data, **found}}

    def _cleaned(self, value: Any) -> Any:
        match value:
            case str():
                for pattern in self._patterns:
                    value = pattern.sub(MASK, value)
                return value
            case list():
                return [self._cleaned(one) for one in value]
            case dict():
                return {key: self._cleaned(one) for key, one in value.items()}
            case _:
                return value


def _compiled(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text)
    except re.error as error:
        log.error("a pattern of snapshot_redactions is no regular expression", pattern=text, error=str(error))
        return None
