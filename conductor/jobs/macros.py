"""Macros in parameters: `{{expression}}` in a job's string parameters, expanded once at launch (jobs.md §5)."""

from collections.abc import Callable, Mapping
from typing import Any

from conductor.errors import BadParameter
from conductor.jobs.compose import words

_OVERRIDE = "_xy_override_"
RESERVED_OVERRIDE_TARGET = _OVERRIDE + "targets"


def expand_params(job: dict[str, Any], details: Mapping[str, Any]) -> None:
    """Expand every string parameter against the job, then let `_xy_override_NAME` parameters set the job's NAME.

    Event fields come first, in their order, so that later parameters see their values. Raises BadParameter
    for an override whose value cannot be that property's.
    """
    params = job["params"]
    if not params:
        return
    data = details.get("input") or {}
    context = {**job, "data": data.get("data") or {}, "files": data.get("files") or []}
    fields = job.get("fields")
    listed = fields if isinstance(fields, list) else ()
    order = [str(field.get("id")) for field in listed if isinstance(field, dict)]
    for name in [*(name for name in order if name in params), *(n for n in params if n not in order)]:
        value = params[name]
        if isinstance(value, str) and "{{" in value:
            from shared.expressions import expand  # its grammar is loaded when the first macro is met

            params[name] = expand(value, context)
    set_overrides(job, params)


def set_overrides(job: dict[str, Any], params: Mapping[str, Any]) -> None:
    """Let `_xy_override_NAME` parameters set the job's NAME. Raises BadParameter."""
    for name, value in params.items():
        target = name.removeprefix(_OVERRIDE)
        read = _OVERRIDABLE.get(target) if target != name else None
        if read is not None and value not in ("", [], None):
            try:
                job[target] = read(value)
            except ValueError as error:
                raise BadParameter(f"Malformed parameter: {name} ({error})") from None


def _words(value: Any) -> list[str]:
    if not isinstance(value, str | list) or not (found := words(value)):
        raise ValueError("must be an array of strings")
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a string")  # noqa: TRY004 - one kind of error for all of them
    return str(value)


def _expression(value: Any) -> str:
    from shared.expressions import ExpressionError, compile_expression

    try:
        compile_expression(_text(value))
    except ExpressionError as error:
        raise ValueError(f"must be an expression: {error}") from None
    return _text(value)


def _flag(value: Any) -> bool:
    return value not in (False, 0, "0", "false")


_OVERRIDABLE: Mapping[str, Callable[[Any], Any]] = {
    "targets": _words,
    "algo": _text,
    "expression": _expression,
    "label": _text,
    "icon": _text,
    "tags": _words,
    "notes": _text,
    "priority": _flag,
}
"""What parameters may set on the job, and how their values are read."""
