"""Tokens that open one job's log or stream without credentials (contract jobs.md §19).

The formulas are the contract's, since clients keep them in mails and pages. In the original they never end and all
die with the secret key; here they end with the job's age (`job_link_days`), and outlive a change of the key for
as long as the one before is kept. `signed_urls` has links that end when their maker wants.
"""

from collections.abc import Callable, Mapping
from typing import Any

from conductor.settings import Settings
from shared import clock
from shared.protocol import tokens

_DAY = 86_400.0
_STREAM_SECONDS = _DAY
"""A stream is followed while the job runs; afterwards its token still shows the result for a day."""


class JobTokens:
    """Makes them, and says what they open. Reads the settings anew each time: they may change."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def log(self, job_id: str) -> str:
        """The token `t` of a job's log."""
        return tokens.log_token(job_id, self._settings.secret_key)

    def opens_log(self, job_id: str, token: str) -> bool:
        return self._matches(tokens.log_token, job_id, token)

    def stream(self, job_id: str) -> str:
        """The token of a job's stream."""
        return tokens.stream_token(job_id, self._settings.secret_key)

    def opens_stream(self, job_id: str, token: str) -> bool:
        return self._matches(tokens.stream_token, job_id, token)

    def log_over(self, ended: Mapping[str, Any]) -> bool:
        """Whether the log tokens of an ended job open nothing any more."""
        return _older(ended, self._settings.job_link_days * _DAY)

    @staticmethod
    def stream_over(ended: Mapping[str, Any]) -> bool:
        return _older(ended, _STREAM_SECONDS)

    def _matches(self, formula: Callable[[str, str], str], job_id: str, token: str) -> bool:
        return any(tokens.matches(token, formula(job_id, key)) for key in self._settings.secret_keys())


def _older(ended: Mapping[str, Any], seconds: float) -> bool:
    """Whether the job ended longer ago than that; 0 is never."""
    completed = ended.get("completed")
    return seconds > 0 and isinstance(completed, int | float) and clock.now() - completed > seconds
