"""Encoded records in memory, the least recently used leave first."""

from collections import OrderedDict


class ByteCache:
    """At most `capacity` bytes of values. For one event loop."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._forgotten = 0

    def get(self, key: str) -> bytes | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def filling(self) -> int:
        """Taken before reading from the store and given to `put`: what changed meanwhile is not kept."""
        return self._forgotten

    def put(self, key: str, value: bytes, filling: int) -> None:
        if filling != self._forgotten or len(value) > self._capacity // 4:
            return
        self._size += len(value) - len(self._values.pop(key, b""))
        self._values[key] = value
        while self._size > self._capacity:
            _, oldest = self._values.popitem(last=False)
            self._size -= len(oldest)

    def forget_all(self) -> None:
        self._forgotten += 1
        self._size = 0
        self._values.clear()

    def forget(self, key: str) -> None:
        self._forgotten += 1
        self._size -= len(self._values.pop(key, b""))
