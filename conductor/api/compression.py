"""gzip for large answers. Contract api/README.md §3.

Small answers are not worth the CPU: they fit into a few packets. Cached lists are compressed once.
"""

import asyncio
import zlib

_WORTH_IT = 8 * 1024  # bytes
_THREAD = 128 * 1024  # bytes: above, compressing would hold up other requests
_LEVEL = 1
_CACHE_BYTES = 64 * 1024 * 1024


def accepted(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def gzipped(body: bytes) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


class Compression:
    """Compresses answers; remembers those of cached bodies within a bound."""

    def __init__(self) -> None:
        self._cache: dict[bytes, bytes] = {}
        self._cached = 0

    @staticmethod
    def worthwhile(size: int) -> bool:
        return size >= _WORTH_IT

    async def gzip(self, body: bytes, *, repeated: bool) -> bytes:
        """`body` compressed. `repeated`: the same object is sent again and again, remember the result."""
        known = self._cache.get(body) if repeated else None
        if known is not None:
            return known
        small = await asyncio.to_thread(gzipped, body) if len(body) > _THREAD else gzipped(body)
        if repeated and body not in self._cache:
            self._cache[body] = small
            self._cached += len(body) + len(small)
            while self._cached > _CACHE_BYTES:
                oldest = next(iter(self._cache))
                self._cached -= len(oldest) + len(self._cache.pop(oldest))
        return small
