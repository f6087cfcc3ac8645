"""Refusals: one exception for each kind, mapped to the envelope in one place (`api.envelope`).

The text is shown to people and never parsed; name the offending key or ID in it.
"""


class Refusal(Exception):
    """A request that is refused. `code` is the envelope's code (contract api/README.md §5)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class BadParameter(Refusal):
    """A missing or malformed parameter: code `api`."""

    def __init__(self, description: str) -> None:
        super().__init__("api", description)


class NoSession(Refusal):
    """No, unknown or expired credentials: code `session`."""

    def __init__(self, description: str = "No Session ID or API Key could be found") -> None:
        super().__init__("session", description)


class AccessDenied(Refusal):
    """A privilege or a category or group limit is in the way: code `access`."""

    def __init__(self, description: str) -> None:
        super().__init__("access", description)


class NotFound(Refusal):
    """A single item that is not there: code `notfound`."""

    def __init__(self, description: str) -> None:
        super().__init__("notfound", description)


class NotPrimary(Refusal):
    """This conductor is not the primary: code `master`, with the primary's host where it is known."""

    def __init__(self, host: str = "") -> None:
        super().__init__("master", "This API call can only be invoked on the primary conductor server.")
        self.host = host


class Unavailable(Refusal):
    """A store of ours did not answer in time; nothing was promised: code `internal`, HTTP 500."""

    def __init__(self, description: str) -> None:
        super().__init__("internal", description)


class Deposed(Exception):
    """A write carried an old epoch: another conductor is primary. The writer must stop acting."""
