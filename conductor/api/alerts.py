"""Alerts: trying a definition, invocations, and why an alert is what it is (contract api/alerts.yaml)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from conductor.announcer import Signals
from conductor.api.call import Call, Json
from conductor.api.endpoint import Endpoint, Takes, Text, WordId, changing
from conductor.api.told import activity
from conductor.definitions.compiled import check_source, check_template
from conductor.definitions.repository import Definitions
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import BadParameter, NotFound, Refusal
from conductor.monitoring.alerts.alerting import Alerting
from conductor.monitoring.alerts.ports import Samples
from conductor.monitoring.alerts.store import AlertStore
from conductor.signals import Activity, AlertsShifted
from shared.clock import now
from shared.expressions import ExpressionError, compile_expression, expand
from shared.expressions.explain import explain
from shared.expressions.hints import hints, hints_of_result

MOST_IDS = 1000


class Trial(msgspec.Struct, kw_only=True):
    server: WordId
    expression: Text
    message: Text


class Ids(msgspec.Struct, kw_only=True):
    ids: Any = None
    """An array, or IDs separated by commas."""


class Invocation(msgspec.Struct, kw_only=True):
    id: WordId


class Acknowledgement(msgspec.Struct, kw_only=True):
    id: WordId
    notes: Annotated[str, msgspec.Meta(max_length=8192)] = ""


class Tickets(msgspec.Struct, kw_only=True):
    id: WordId
    tickets: list[WordId]


class Question(msgspec.Struct, kw_only=True):
    alert: WordId
    server: WordId


class AlertCalls:
    def __init__(
        self,
        alerting: Alerting,
        store: AlertStore,
        definitions: Definitions,
        samples: Samples,
        signals: Signals,
    ) -> None:
        self._alerting = alerting
        self._store = store
        self._definitions = definitions
        self._samples = samples
        self._signals = signals

    async def test(self, call: Call, params: Trial) -> Json:
        refuse_group_limited(call.account, "alerts")
        check_source(params.expression, "alert", "expression")
        check_template(params.message, "alert", "message")
        sample = await self._samples.latest(params.server)
        if sample is None:
            raise Refusal("alert", f"No monitoring data is stored for server: {params.server}")
        data = self._alerting.context(params.server, params.expression, sample["data"])
        answer: Json = {"result": False, "message": expand(params.message, data)}
        try:
            expression = compile_expression(params.expression)
            answer["result"] = expression.evaluate_condition(data)
            found = hints(params.expression) + hints_of_result(expression.evaluate(data))
            answer |= {"hints": found} if found else {}
        except ExpressionError as error:
            answer["error"] = error.reason
        return {**answer, "why": _why(params.expression, data)}

    async def invocations(self, call: Call, params: Ids) -> Json:
        ids = _listed(params.ids)
        found = await self._store.get_many(ids)

        def shown(id: str) -> Json:
            invocation = found.get(id)
            if invocation is None or not call.account.sees_groups(invocation.get("groups") or ()):
                return {"err": _unknown(id).description}
            return invocation

        return {"alerts": [shown(id) for id in ids]}

    async def tickets(self, call: Call, params: Tickets) -> Json:
        if set(call.params) - {"id", "tickets"}:
            raise Refusal("job", "Only id and tickets can be given.")
        refuse_group_limited(call.account, "alerts")
        tickets = list(dict.fromkeys(params.tickets))
        told = self._telling(call, "alert_update_tickets", params.id)
        changed = await self._store.change(
            params.id, lambda doc: {**doc, "tickets": tickets}, lambda doc: self._signals.events(told(doc))
        )
        if changed is None:
            raise _unknown(params.id)
        if (active := self._alerting.active.get(params.id)) is not None:
            active["tickets"] = tickets
        self._signals.publish_logged(told(changed))
        return {}

    async def delete(self, call: Call, params: Invocation) -> Json:
        refuse_group_limited(call.account, "alerts")
        told = self._telling(call, "alert_delete_invocation", params.id)({})
        if not await self._store.delete(params.id, self._signals.events(told)):
            raise _unknown(params.id)
        self._signals.publish_logged(told)
        return {}

    async def acknowledge(self, call: Call, params: Acknowledgement) -> Json:
        """Of ours: somebody sees to it; who, since when, and what they say of it."""
        invocation = await self._store.get(params.id)
        if invocation is None or not call.account.sees_groups(invocation.get("groups") or ()):
            raise _unknown(params.id)
        given = {"username": call.account.name, "date": int(now()), "notes": params.notes}
        told = self._telling(call, "alert_acknowledge", params.id)
        changed = await self._store.change(
            params.id, lambda doc: {**doc, "acknowledged": given}, lambda doc: self._signals.events(told(doc))
        )
        if changed is None:
            raise _unknown(params.id)
        if (active := self._alerting.active.get(params.id)) is not None:
            active["acknowledged"] = given
            self._signals.publish(AlertsShifted(server_id=str(changed.get("server", ""))))
        self._signals.publish_logged(told(changed))
        return {"acknowledged": given}

    async def explain(self, call: Call, params: Question) -> Json:
        """What the alert reads on the server now, how far it has counted, and the last hour."""
        definition = self._definitions.get("alerts", params.alert)
        if definition is None:
            raise NotFound(f"Alert not found: {params.alert}")
        sample = await self._samples.latest(params.server)
        if sample is None or not call.account.sees_groups(sample.get("groups") or ()):
            raise NotFound(f"Server has sent no monitoring data yet: {params.server}")
        groups = definition.get("groups") or []
        state = self._alerting.state_of(params.server, params.alert)
        expression = str(definition.get("expression") or "")
        data = self._seen_by(params.server, expression, sample["data"])
        return {
            "expression": expression,
            "enabled": bool(definition.get("enabled")),
            "applies": not groups or any(group in (sample.get("groups") or ()) for group in groups),
            "samples": definition.get("samples"),
            "count": state.count if state else 0,
            "state": _word(state),
            "invocation": state.id if state and state.notified else "",
            "date": sample.get("date"),
            "why": _why(expression, data),
            "message": expand(str(definition.get("message") or ""), data),
            **self._quiet(definition, sample),
            "evaluations": [
                {"date": date, "result": result}
                for date, result in self._alerting.history.of(params.server, params.alert)
            ],
        }

    def _telling(self, call: Call, action: str, id: str) -> Callable[[Mapping[str, Any]], Activity]:
        """What is told of an invocation (empty: it is gone)."""

        def told(invocation: Mapping[str, Any]) -> Activity:
            return activity(
                call,
                action,
                id,
                {"alert": invocation} if invocation else {},
                resource=("alert_invocation", id),
                groups=tuple(map(str, invocation.get("groups") or ())),
            )

        return told

    def _seen_by(self, server_id: str, expression: str, data: Json) -> Json:
        try:
            return self._alerting.context(server_id, expression, data)
        except ExpressionError:  # imported, and compiled by nobody
            return data

    def _quiet(self, definition: Json, sample: Json) -> Json:
        """Why nobody would be told now, and how often it has fired lately where that is limited."""
        silences, moment = self._alerting.silences, now()
        server = {"id": sample["server"], "groups": sample.get("groups") or ()}
        told: Json = {
            "silenced": silences.of(definition, server, moment) or silences.snoozed(definition, moment)
        }
        if definition.get("flap_limit"):
            told["firings"] = silences.firings(str(server["id"]), str(definition["id"]))
        return told

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                name="test_alert",
                handler=self.test,
                params=Trial,
                summary="Whether an expression is true of a server's last sample, and the message it gives.",
                privilege="edit_alerts",
                takes=Takes.BODY,
                methods=("POST",),
            ),
            Endpoint(
                name="get_alert_invocations",
                handler=self.invocations,
                params=Ids,
                summary="Alert invocations by ID, in the order they are asked for.",
            ),
            changing(
                "manage_alert_invocation_tickets",
                self.tickets,
                Tickets,
                "Replace the tickets of an alert invocation.",
                "edit_tickets",
                body=True,
            ),
            changing(
                "delete_alert_invocation",
                self.delete,
                Invocation,
                "Delete the record of an alert invocation.",
                "delete_alerts",
                body=True,
            ),
            changing(
                "acknowledge_alert",
                self.acknowledge,
                Acknowledgement,
                "Say that somebody sees to an alert.",
                "edit_alerts",
                body=True,
            ),
            Endpoint(
                name="explain_alert",
                handler=self.explain,
                params=Question,
                summary="Why an alert is active on a server, or is not, and its evaluations of the last hour.",
            ),
        )


def _unknown(id: str) -> Refusal:
    """The same for one that the caller may not see."""
    return Refusal("alert", f"Failed to locate alert invocation: {id}")


def _listed(ids: Any) -> list[str]:
    if ids is None:
        raise BadParameter("Missing parameter: ids")
    if isinstance(ids, str):
        ids = [id.strip() for id in ids.split(",") if id.strip()]
    if not isinstance(ids, list) or not ids or not all(isinstance(id, str) for id in ids):
        raise Refusal("alert", "Malformed parameter: ids")
    if len(ids) > MOST_IDS:
        raise Refusal("alert", f"At most {MOST_IDS} invocations can be asked for at once.")
    return ids


def _why(expression: str, data: Mapping[str, Any]) -> list[Json]:
    try:
        return [part.as_dict() for part in explain(expression, data)]
    except ExpressionError as error:
        return [{"text": expression, "value": None, "error": error.reason}]


def _word(state: Any) -> str:
    if state is None:
        return "quiet"
    if state.stale:
        return "stale"
    return "active" if state.notified else "warming"
