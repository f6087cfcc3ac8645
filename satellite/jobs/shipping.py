"""How far a job's log has been sent and acknowledged. Pure."""

from shared.protocol.messages import LOG_CHUNK_BYTES, LOG_WINDOW_BYTES


class Shipping:
    """Offsets into one log: 0 <= acked <= sent."""

    def __init__(self) -> None:
        self.sent = 0
        self.acked = 0

    def next_chunk(self, size: int) -> tuple[int, int]:
        """(offset, length) of what may be sent now of a log of `size` bytes; length 0: nothing."""
        room = LOG_WINDOW_BYTES - (self.sent - self.acked)
        return self.sent, max(min(size - self.sent, room, LOG_CHUNK_BYTES), 0)

    def acknowledge(self, stored: int, size: int, *, rewind: bool) -> None:
        """The conductor has `stored` bytes. It may have more than we remember sending, and never more than
        there are."""
        stored = min(max(stored, 0), size)
        if rewind:
            self.sent = self.acked = stored
        else:
            self.acked = max(self.acked, stored)
            self.sent = max(self.sent, self.acked)

    def assume(self, size: int) -> None:
        """After a new connection: suppose that everything arrived. A conductor that has less says so."""
        self.sent = self.acked = size
