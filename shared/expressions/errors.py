"""The one exception of the language."""


class ExpressionError(Exception):
    """An expression, macro text or pattern that cannot be compiled or evaluated.

    `reason` is the plain sentence; it quotes the author's own text at most, never a value of the context.
    `position` is the character offset in the compiled text, None where there is none (evaluation).
    """

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason if position is None else f"{reason} at position {position}")
        self.reason = reason
        self.position = position
