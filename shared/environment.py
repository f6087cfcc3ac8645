"""Environment variables as settings: their text becomes the value it looks like."""


def value_of(text: str) -> bool | int | float | str:
    """`true`, `false` and numbers as such, everything else as text."""
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
