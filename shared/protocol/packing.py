"""msgpack of documents that came in as JSON.

JSON has integers of any size, msgpack has 64 bits. One number of a plugin's must not make a job impossible to
write down, so that a larger one is packed as the float that clients of a JavaScript server always got.
"""

from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder().encode
_LEAST, _MOST = -(2**63), 2**64 - 1
_KEPT = (bytes, bytearray, memoryview)


def packed(value: Any) -> bytes:
    """Raises TypeError for what no JSON document contains."""
    try:
        return _encode(value)
    except OverflowError:
        return _encode(_in_range(msgspec.to_builtins(value, builtin_types=_KEPT)))


def _in_range(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_range(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_in_range(item) for item in value]
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        return float_of(value)
    return value


def float_of(number: float) -> float:
    """The nearest float; infinity for an integer beyond all floats."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
