"""Macros in parameters: `{{expression}}` in a job's string parameters, expanded once at launch (jobs.md §5)."""

from typing import Any

_OVERRIDE = "_xy_override_"
RESERVED_OVERRIDE_TARGET = _OVERRIDE + "targets"
_OVERRIDABLE = frozenset({"targets", "algo", "expression", "label", "icon", "tags", "notes", "priority"})


def expand_params(job: dict[str, Any], details: dict[str, Any]) -> None:
    """Expand every string parameter against the job, then let `_xy_override_NAME` parameters set the job's NAME.

    Event fields come first, in their order, so that later parameters see their values.
    """
    params = job["params"]
    if not params:
        return
    data = details.get("input") or {}
    context = {**job, "data": data.get("data") or {}, "files": data.get("files") or []}
    order = [str(field.get("id")) for field in job.get("fields") or () if isinstance(field, dict)]
    for name in [*(name for name in order if name in params), *(n for n in params if n not in order)]:
        value = params[name]
        if isinstance(value, str) and "{{" in value:
            from shared.expressions import expand  # its grammar is loaded when the first macro is met

            params[name] = expand(value, context)
    for name, value in params.items():
        target = name.removeprefix(_OVERRIDE)
        if target != name and target in _OVERRIDABLE and value not in ("", [], None):
            job[target] = value


def target_expression(text: str, server: Any) -> bool:
    """Whether a server matches a job's target expression; an expression that fails matches nothing."""
    from shared.expressions import ExpressionError, compile_expression

    try:
        return bool(compile_expression(text).evaluate(server))
    except ExpressionError:
        return False
