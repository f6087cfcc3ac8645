"""The endpoints over the services of the administration's room, together."""

from typing import Any

from conductor.administration.house import Administration
from conductor.api import docs, form_config, marketplace, search
from conductor.api.admin import Admin, KeyRotation
from conductor.api.backup import Backup
from conductor.api.bulk import Bulk
from conductor.api.endpoint import Endpoint
from conductor.api.kernel import Leadership
from conductor.api.multi import Multi
from conductor.fleet.roster import Roster
from shared import clock


def endpoints(
    house: Administration,
    roster: Roster,
    leadership: Leadership,
    rotation: KeyRotation,
    bucket_data: form_config.BucketData,
) -> tuple[Endpoint[Any], ...]:
    """`bucket_data` of a bucket's ID: what menus of magic links are made of."""

    def sockets() -> list[dict[str, Any]]:
        return [
            {
                "id": one.id,
                "ip": one.ip,
                "type": "server",
                "auth": bool(one.server_id),
                "username": "",
                "loc": {},
                "server": one.server_id,
                "timeStart": round(clock.now() - (clock.monotonic() - one.opened), 3),
                "ping": one.last_ping_ms,
            }
            for one in roster.connections()
        ]

    return (
        *search.endpoints(house.collections, house.statistics, house.settings, house.definitions),
        *Admin(house, sockets, rotation).endpoints(),
        *Bulk(house).endpoints(),
        *Backup(house).endpoints(),
        *Multi(house, roster, lambda: leadership.primary).endpoints(),
        *marketplace.endpoints(house.marketplace),
        *form_config.endpoints(house.definitions, house.settings, house.version, bucket_data),
        *docs.endpoints(house.settings),
    )
