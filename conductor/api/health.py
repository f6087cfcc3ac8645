"""Health, readiness and metrics for load balancers, agents and Prometheus. Contract api/README.md §1.

`/health` is what agents poll: only the primary answers 200. `/health/live` says that the process answers at
all, `/health/ready` that this conductor can do its work, be it as a standby.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import hdrs, web

from conductor.api.answer import SERVER
from conductor.api.kernel import Leadership, RawUri
from conductor.api.metrics import Metrics

Probe = Callable[[], Awaitable[bool]]
_PROBE_SECONDS = 2.0
_JSON = {hdrs.CONTENT_TYPE: "application/json", hdrs.SERVER: SERVER, hdrs.CACHE_CONTROL: "no-store"}


class Health:
    """Answers the probes. `probes` name what must work for this conductor to be ready."""

    def __init__(
        self,
        leadership: Leadership,
        metrics: Metrics,
        probes: Mapping[str, Probe],
        depth: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """`depth` counts what is to be done, by name."""
        self._leadership = leadership
        self._metrics = metrics
        self._probes = probes
        self._depth = depth

    def uris(self) -> tuple[RawUri, ...]:
        return (
            RawUri("/health/live", self.live),
            RawUri("/health/ready", self.ready),
            RawUri("/health", self.primary),
            RawUri("/metrics", self.metrics),
        )

    async def primary(self, request: web.BaseRequest) -> web.StreamResponse:
        """200 on the primary, else 503 without a body."""
        if not self._leadership.primary:
            return web.Response(status=503, headers={hdrs.SERVER: SERVER})
        return web.Response(body=b'{"code":0,"master":true}\n', headers=_JSON)

    async def live(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b'{"live":true}\n', headers=_JSON)

    async def ready(self, request: web.BaseRequest) -> web.StreamResponse:
        """200 when every probe succeeds, else 503; the body names each."""
        results = await asyncio.gather(*(self._try(probe) for probe in self._probes.values()))
        checks = dict(zip(self._probes, results, strict=True))
        ready = all(results)
        document = {"ready": ready, "primary": self._leadership.primary, "checks": checks, **self._depth()}
        return web.Response(
            body=msgspec.json.encode(document) + b"\n", status=200 if ready else 503, headers=_JSON
        )

    async def metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        text, content_type = await self._metrics.render()
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: content_type, hdrs.SERVER: SERVER})

    @staticmethod
    async def _try(probe: Probe) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                return await probe()
        except Exception:  # whatever a probe throws means that its part does not work
            return False
