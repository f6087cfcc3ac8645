"""What came of sending something: the shape that actions, tests and endpoints answer with."""

import msgspec


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is 0 when it was sent, or when there was nothing to send; else the contract's error code.

    `description` is one line. `details` may be shown and stored: it holds no credentials and no secrets.
    """

    code: int | str = 0
    description: str = ""
    details: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0
