"""Internet sockets of processes, with their bytes, asked of the kernel directly (`sock_diag`, Linux).

First the descriptors of the processes that are asked for, and only if one of them is a socket one dump of the
kernel's table for each protocol.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_DUMP = 0x301
_DONE, _ERROR = 3, 2
_INFO = 2
_TIMEOUT = 1.0
_RECEIVE_BYTES = 256 * 1024
_MOST_DESCRIPTORS = 4096
"""Of one process: one with more is a server whose connections are not a job's."""
_MOST_CONNECTIONS = 1000
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_SOCKET = struct.Struct("=BBBB2s2s16s16s")
_INODE_AT = 68
_MESSAGE_BYTES = 72
_BYTES_AT = 120
"""`bytes_acked` and `bytes_received` in `tcp_info`."""
_STATES = (
    "UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "UNCONNECTED",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip


class Connection(NamedTuple):
    inode: int
    """Identifies the socket as long as it lives."""
    pid: int
    type: str
    state: str
    local: str
    remote: str
    sent: int
    received: int
    """Bytes since it was opened; 0 for UDP."""

    @property
    def bytes(self) -> int:
        return self.sent + self.received


class Table:
    """The kernel's tables at one moment, read when the first socket is asked for. One for all jobs."""

    def __init__(self) -> None:
        self._messages: list[tuple[int, str, bytes]] | None = None
        self._unreadable = False

    def of(self, pids: Iterable[int]) -> list[Connection] | None:
        """Connections of these processes, each once; None where the kernel cannot be asked."""
        owners = _owners(pids)
        if not owners:
            return []
        messages = self._read()
        if messages is None:
            return None
        found = (
            _connection(message, inode, owners[inode], name)
            for inode, name, message in messages
            if inode in owners
        )
        return list(islice(found, _MOST_CONNECTIONS))

    def all(self, pids: Iterable[int], most: int) -> Iterator[Connection] | None:
        """Every one of the host with its owner among these processes; PID 0 if it is none of them or nobody's.

        One at a time: a host may have thousands, and each is made into something else.
        """
        messages = self._read()
        if messages is None:
            return None
        owners = _owners(pids)
        messages.sort(key=lambda message: message[0] not in owners)
        return (
            _connection(message, inode, owners.get(inode, 0), name)
            for inode, name, message in islice(messages, most)
        )

    def _read(self) -> list[tuple[int, str, bytes]] | None:
        if self._messages is not None or self._unreadable:
            return self._messages
        messages: list[tuple[int, str, bytes]] = []
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as asked:
                asked.settimeout(_TIMEOUT)
                for protocol, name in ((socket.IPPROTO_TCP, "tcp"), (socket.IPPROTO_UDP, "udp")):
                    for family in (socket.AF_INET, socket.AF_INET6):
                        for message in _dump(asked, family, protocol):
                            (inode,) = struct.unpack_from("=I", message, _INODE_AT)
                            messages.append((inode, name, message))
        except (OSError, AttributeError, struct.error):
            self._unreadable = True
        else:
            self._messages = messages
        return self._messages


def _owners(pids: Iterable[int]) -> dict[int, int]:
    """Processes by the sockets they hold."""
    owners: dict[int, int] = {}
    for pid in pids:
        for inode in _inodes(pid):
            owners.setdefault(inode, pid)
    return owners


def _inodes(pid: int) -> Iterator[int]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")[:_MOST_DESCRIPTORS]
    except OSError:
        return
    for name in names:
        with suppress(OSError, ValueError):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                yield int(target[8:-1])


def _dump(asked: socket.socket, family: int, protocol: int) -> Iterator[bytes]:
    request = _REQUEST.pack(family, protocol, 1 << (_INFO - 1), 0xFFFFFFFF)
    asked.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _DUMP, 0, 0) + request)
    while True:
        data = asked.recv(_RECEIVE_BYTES)
        place = 0
        while place + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, place)
            if kind in (_DONE, _ERROR) or length < _HEADER.size:
                return
            message = data[place + _HEADER.size : place + length]
            place += (length + 3) & ~3
            if len(message) >= _MESSAGE_BYTES:
                yield message


def _connection(message: bytes, inode: int, pid: int, name: str) -> Connection:
    family, state, _, _, local_port, remote_port, local, remote = _SOCKET.unpack_from(message)
    return Connection(
        inode,
        pid,
        name,
        _STATES[state] if state < len(_STATES) else _STATES[0],
        _address(family, local, local_port),
        _address(family, remote, remote_port),
        *_bytes_moved(message),
    )


def _address(family: int, address: bytes, port: bytes) -> str:
    number = int.from_bytes(port, "big")
    if family == socket.AF_INET:
        return f"{socket.inet_ntop(socket.AF_INET, address[:4])}:{number}"
    return f"[{socket.inet_ntop(socket.AF_INET6, address)}]:{number}"


def _bytes_moved(message: bytes) -> tuple[int, int]:
    place = _MESSAGE_BYTES
    while place + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, place)
        if length < 4:
            break
        if kind == _INFO and length >= 4 + _BYTES_AT + 16:
            acked, received = struct.unpack_from("=QQ", message, place + 4 + _BYTES_AT)
            return acked, received
        place += (length + 3) & ~3
    return 0, 0
