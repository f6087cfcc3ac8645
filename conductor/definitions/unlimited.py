"""What callers limited to some groups may not do (contract access.md §6)."""

from conductor.definitions.writer import Writer
from conductor.errors import AccessDenied, Refusal


def refuse_group_limited(by: Writer, noun: str) -> None:
    """Alerts and monitors look at every server: a caller with any group limit does not manage them.

    The code is `alert` for monitors too, since clients know it so.
    """
    try:
        by.require_group("*")
    except AccessDenied:
        raise Refusal("alert", f"Accounts that are limited to groups cannot manage {noun}.") from None
