"""Request metrics. Counting is a few additions; prometheus_client is imported when somebody asks."""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

Gauges = Callable[[], Mapping[str, float]]
"""Other parts' values at this moment, by metric name without the prefix `opsorbit_`."""

Text = Callable[[], Awaitable[str]]
"""More lines of the exposition, of a part that writes them itself."""


class Metrics:
    """Requests by endpoint and code, and a latency histogram by endpoint."""

    def __init__(self, gauges: Iterable[Gauges] = (), texts: Iterable[Text] = ()) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._latencies: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._gauges = tuple(gauges)
        self._texts = tuple(texts)
        self._registry: Any = None

    def observe(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request. `endpoint` and `code` come from declarations, so their number is bounded."""
        key = (endpoint, code)
        self._counts[key] = self._counts.get(key, 0) + 1
        buckets = self._latencies.get(endpoint)
        if buckets is None:
            buckets = self._latencies[endpoint] = [0] * (len(_BOUNDS) + 1)
            self._sums[endpoint] = 0.0
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._sums[endpoint] += seconds

    @property
    def requests(self) -> int:
        """All requests so far."""
        return sum(self._counts.values())

    def count(self, endpoint: str, code: str) -> int:
        return self._counts.get((endpoint, code), 0)

    async def render(self) -> tuple[bytes, str]:
        """The exposition text and its content type."""
        own, content_type = self._own()
        return b"".join((own, *[(await text()).encode() for text in self._texts])), content_type

    def _own(self) -> tuple[bytes, str]:
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.gc_collector import GCCollector
        from prometheus_client.process_collector import ProcessCollector

        if self._registry is None:
            registry = self._registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            GCCollector(registry=registry)
            registry.register(self)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> "Iterable[Metric]":
        """For prometheus_client: the metrics as they stand."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "opsorbit_api_requests", "API requests by endpoint and envelope code", labels=("endpoint", "code")
        )
        for (endpoint, code), count in self._counts.items():
            requests.add_metric((endpoint, code), count)
        yield requests
        latency = HistogramMetricFamily(
            "opsorbit_api_request_seconds", "Time from request to answer", labels=("endpoint",)
        )
        for endpoint, buckets in self._latencies.items():
            total = 0
            cumulated: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                cumulated.append((bound, total))
            latency.add_metric((endpoint,), cumulated, self._sums[endpoint])
        yield latency
        for gauges in self._gauges:
            for name, value in gauges().items():
                yield GaugeMetricFamily(f"opsorbit_{name}", name.replace("_", " "), value)
