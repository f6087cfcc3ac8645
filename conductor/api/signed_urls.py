"""URLs that open one file or one job's log without credentials, for a while.

Beside the tokens of the contract, which never expire (api/jobs.yaml and api/files.yaml, "Where to be
better").
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from conductor.settings import Settings
from shared import clock
from shared.protocol import tokens

LAUNCH_SECONDS = 7 * 86_400
"""How long a satellite may take to fetch the inputs of a job."""


class Signed(msgspec.Struct, kw_only=True):
    """The two parameters that such a URL carries."""

    expires: str = ""
    signature: str = ""


class UrlSigner:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def query(self, subject: str, seconds: float) -> tuple[str, int]:
        """The query that opens `subject`, a storage path or `logs/jobs/ID`, and when it ceases to."""
        expires = int(clock.now() + seconds)
        signature = tokens.url_signature(subject, expires, self._settings.secret_key)
        return urlencode({"expires": expires, "signature": signature}), expires

    def inputs(self, details: Mapping[str, Any]) -> Mapping[str, Any]:
        """A launch's details with its input files' paths signed, for satellites that fetch by path alone."""
        given = details.get("input")
        if not isinstance(given, Mapping) or not given.get("files"):
            return details
        files = [
            {**file, "path": f"{file['path']}?{self.query(str(file['path']), LAUNCH_SECONDS)[0]}"}
            for file in given["files"]
            if isinstance(file, Mapping) and file.get("path")
        ]
        return {**details, "input": {**given, "files": files}}

    def opens(self, subject: str, params: Signed) -> bool:
        """Whether the parameters open `subject` now."""
        if not (params.expires.isascii() and params.expires.isdigit() and len(params.expires) < 16):
            return False
        expires = int(params.expires)
        expected = (tokens.url_signature(subject, expires, key) for key in self._settings.secret_keys())
        return clock.now() < expires and any(tokens.matches(params.signature, one) for one in expected)
