"""Single-use tokens that carry parameters and a session to a download (contract structures/transfer_token.yaml)."""

from collections.abc import Mapping
from typing import Any

from shared import clock
from shared.ids import hex_id

Json = dict[str, Any]

LIFETIME = 60.0
_MOST = 1_000


class TransferTokens:
    """In memory of one term: a link that outlives it is asked for again."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, Json, float]] = {}

    def issue(self, session_id: str, params: Mapping[str, Any]) -> str:
        """A token for the session's owner, good for one use within a minute."""
        moment = clock.monotonic()
        self._tokens = {key: one for key, one in self._tokens.items() if one[2] > moment}
        while len(self._tokens) >= _MOST:
            del self._tokens[next(iter(self._tokens))]
        token = hex_id()
        self._tokens[token] = (session_id, dict(params), moment + LIFETIME)
        return token

    def redeem(self, token: str) -> tuple[str, Json] | None:
        """The session's ID and the parameters; None for one that is unknown, used or expired."""
        session_id, params, expires = self._tokens.pop(token, ("", {}, 0.0))
        return (session_id, params) if expires > clock.monotonic() else None

    def forget(self) -> None:
        self._tokens.clear()
