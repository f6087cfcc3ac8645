"""Frames of the satellite wire: one object `{"cmd", "data"}` a message, in one of two encodings.

Text frames hold JSON and are understood by every agent (contract satellite_protocol.md §1). Binary frames
hold msgpack and are used when both sides agreed on the websocket subprotocol `opsorbit.v1`.
"""

from typing import Any, Protocol

import msgspec

from shared.protocol.packing import packed

SUBPROTOCOL = "opsorbit.v1"
MAX_FRAME_BYTES = 100 * 1024 * 1024
"""What either side accepts in one message; a job update with a large table can get near it."""


class FrameError(ValueError):
    """The bytes are no frame. The socket is kept; the frame is dropped and counted."""


class Frame(msgspec.Struct):
    cmd: str
    data: Any = None

    def body(self) -> dict[str, Any]:
        """The payload as an object; absent or of another type counts as empty."""
        return self.data if isinstance(self.data, dict) else {}


class Encoding(Protocol):
    """How frames become websocket messages. `binary` tells which kind of message carries them."""

    binary: bool

    def encode(self, cmd: str, data: Any) -> bytes: ...

    def decode(self, message: str | bytes) -> Frame:
        """Raises FrameError."""
        ...


class JsonEncoding:
    binary = False

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Frame)

    def encode(self, cmd: str, data: Any) -> bytes:
        return self._encoder.encode(Frame(cmd, data))

    def decode(self, message: str | bytes) -> Frame:
        try:
            return self._decoder.decode(message)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise FrameError(str(error)) from None


class MsgpackEncoding:
    binary = True

    def __init__(self) -> None:
        self._decoder = msgspec.msgpack.Decoder(Frame)

    def encode(self, cmd: str, data: Any) -> bytes:
        return packed(Frame(cmd, data))

    def decode(self, message: str | bytes) -> Frame:
        if isinstance(message, str):
            raise FrameError("a text message where binary frames were agreed on")
        try:
            return self._decoder.decode(message)
        except (msgspec.MsgspecError, ValueError, RecursionError, TypeError) as error:
            raise FrameError(str(error)) from None


def encoding_for(subprotocol: str | None) -> Encoding:
    return MsgpackEncoding() if subprotocol == SUBPROTOCOL else JsonEncoding()
