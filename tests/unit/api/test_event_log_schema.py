"""The OpenAPI document lists the event log's URIs, and nothing else of its name."""

import msgspec

from conductor.api.event_log_schema import described
from conductor.api.openapi import document

URIS = {
    "/api/v1/events",
    "/api/v1/events/aggregate",
    "/api/v1/events/correlation/{correlation_id}",
    "/api/v1/events/resource/{resource_type}/{resource_id}",
    "/api/v1/events/stats/by-actor",
    "/api/v1/events/stream",
    "/api/v1/events/{event_id}",
}


def test_the_document_lists_every_uri_of_the_event_log() -> None:
    made = document([], "1")
    assert set(made["paths"]) == URIS
    for path in made["paths"].values():
        operation = path["get"]
        assert {"200", "401", "422"} <= set(operation["responses"])
        assert {"bearer": []} in operation["security"]
        assert {"apiKey": []} in operation["security"]
        assert {"tokenCookie": []} in operation["security"]


def test_the_event_log_is_described_with_the_fields_of_the_reference() -> None:
    _, components = described()
    assert set(components["Event"]["properties"]) == {
        "actorId", "actorType", "causationId", "correlationId", "eventType", "id", "occurredAt", "payload",
        "resourceId", "resourceType", "tenantId",
    }  # fmt: skip
    assert set(components["Page"]["properties"]) == {"events", "hasNext", "limit", "offset", "total"}
    assert set(components["ActorStats"]["properties"]) == {
        "actorId", "actorType", "failures", "successes", "total",
    }  # fmt: skip
    assert set(components["Problem"]["properties"]) == {"loc", "msg", "type"}


def test_limits_of_the_event_log_are_those_of_the_reference() -> None:
    listed = document([], "1")["paths"]["/api/v1/events"]["get"]["parameters"]
    [limit] = [one["schema"] for one in listed if one["name"] == "limit"]
    assert limit == {"type": "integer", "minimum": 1, "maximum": 100, "default": 100}
    assert msgspec.json.encode(document([], "1"))
