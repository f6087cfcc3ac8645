"""Payloads of the causal event log. Pure."""

from typing import Any, Final

import msgspec

_MOST: Final = 16 * 1024
_encode = msgspec.json.Encoder().encode


def payload(our_id: str, told: dict[str, Any]) -> bytes:
    """JSON of `told` with our own ID of the resource as `id`; of what is too long the ID alone."""
    encoded = _encode({"id": our_id, **told})
    return encoded if len(encoded) <= _MOST else _encode({"id": our_id, "truncated": True})
