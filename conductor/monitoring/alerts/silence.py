"""Why an alert that fires or clears tells nobody: maintenance, flapping, a snooze. Pure (docs/alerts.md).

What is silenced is recorded like anything else. Once a maintenance window or the flapping is over, an alert that
is active still is told after all; what was snoozed is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Doc = Mapping[str, Any]

MAINTENANCE, FLAPPING, SNOOZE = "maintenance", "flapping", "snooze"
FLAP_MINUTES = 60
"""In which `flap_limit` firings of one alert on one server may tell."""


def window_over(
    windows: Iterable[Doc], alert: str, server: str, groups: Iterable[str], now: float
) -> Json | None:
    """The silence of the maintenance window that lasts longest; None when the alert is in none."""
    member_of = set(groups)
    covering = [one for one in windows if _lasts(one, now) and _covers(one, alert, server, member_of)]
    if not covering:
        return None
    window = max(covering, key=lambda one: one["end"])
    return {
        "reason": MAINTENANCE,
        "until": window["end"],
        "window": window["id"],
        "title": window.get("title", ""),
        "username": window.get("username", ""),
    }


def flapping(definition: Doc, firings: Sequence[float], now: float) -> Json | None:
    """`firings`: when it fired on this server, oldest first. Beyond the limit nobody is told."""
    limit = _whole(definition.get("flap_limit"))
    if not limit:
        return None
    span = flap_seconds(definition)
    recent = [at for at in firings if at > now - span]
    if len(recent) <= limit:
        return None
    return {"reason": FLAPPING, "until": int(recent[-limit - 1] + span), "firings": len(recent)}


def flap_seconds(definition: Doc) -> int:
    return 60 * (_whole(definition.get("flap_minutes")) or FLAP_MINUTES)


def snoozed(definition: Doc, everywhere: Any, now: float) -> Json | None:
    """`everywhere`: the cluster's state `alert_snooze`."""
    ends = [_number(end) for end in (everywhere, definition.get("snooze_until"))]
    return {"reason": SNOOZE, "until": max(ends)} if max(ends) > now else None


def kept_from(invocation: Doc) -> bool:
    """Whether nobody has been told of the invocation, so that nobody needs to be told of its end."""
    return is_held(invocation) and not invocation.get("told")


def is_held(invocation: Doc) -> bool:
    """Whether it is told once its silence is over."""
    silence = invocation.get("silenced")
    return isinstance(silence, dict) and silence.get("reason") in (MAINTENANCE, FLAPPING)


def _lasts(window: Doc, now: float) -> bool:
    return bool(window.get("enabled")) and _number(window.get("start")) <= now < _number(window.get("end"))


def _covers(window: Doc, alert: str, server: str, groups: set[str]) -> bool:
    servers, wanted, alerts = (_listed(window.get(key)) for key in ("servers", "groups", "alerts"))
    if window.get("everywhere"):
        return True
    if not servers and not wanted and not alerts:
        return False
    here = server in servers or not groups.isdisjoint(wanted) or not (servers or wanted)
    return here and (not alerts or alert in alerts)


def _listed(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
