"""What validation needs to know about the caller."""

from collections.abc import Sequence
from typing import Protocol


class Writer(Protocol):
    """The caller of a change. The `require_` methods raise AccessDenied (contract api/README.md §7.2)."""

    @property
    def name(self) -> str:
        """What goes into `username`: the username, or the API key's ID."""

    @property
    def admin(self) -> bool: ...

    def may(self, privilege: str, /) -> bool:
        """Whether the caller holds a privilege; administrators hold every one."""

    def require_category(self, id: str, /) -> None:
        """`*` asks for a caller without any limit on categories."""

    def require_group(self, id: str, /) -> None:
        """`*` asks for a caller without any limit on groups."""

    def require_targets(self, targets: Sequence[str], /) -> None: ...


class House:
    """The product itself as a writer: set-up, and changes that a job makes. Nothing is refused."""

    admin = True

    def __init__(self, name: str) -> None:
        self.name = name

    def may(self, privilege: str, /) -> bool:
        return True

    def require_category(self, id: str, /) -> None: ...

    def require_group(self, id: str, /) -> None: ...

    def require_targets(self, targets: Sequence[str], /) -> None: ...
