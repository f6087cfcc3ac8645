"""The endpoints by name, with what each request needs of them worked out once."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from conductor.api.endpoint import Endpoint, NoParams
from conductor.api.params import decoder

_API_PATH = re.compile(r"/api/(\w+)/(\w+)(.*)", re.DOTALL)
_VERSION = re.compile(r"/v[0-9]+(?:/|$)")
_LEADING_VERSION = re.compile(r"/v[0-9]+(?=/|$)")
_CACHED_PATHS = 2_000


class Route(NamedTuple):
    """Where a path leads. `endpoint` is None for an unknown name; `label` names it in metrics and texts."""

    endpoint: Endpoint[Any] | None
    decode: Callable[[dict[str, Any]], Any] | None
    rest: str
    versioned: bool
    label: str
    namespace: str


class Registry:
    """All endpoints of a server. Raises ValueError when two claim one name."""

    def __init__(self, endpoints: Iterable[Endpoint[Any]]) -> None:
        self.endpoints = tuple(endpoints)
        self._by_name: dict[tuple[str, str], Endpoint[Any]] = {}
        self._decoders: dict[tuple[str, str], Callable[[dict[str, Any]], Any] | None] = {}
        self._paths: dict[str, Route] = {}
        for endpoint in self.endpoints:
            key = (endpoint.namespace, endpoint.name)
            if key in self._by_name:
                raise ValueError(f"Two endpoints are named {endpoint.namespace}/{endpoint.name}")
            self._by_name[key] = endpoint
            self._decoders[key] = None if endpoint.params is NoParams else decoder(endpoint.params)

    def find(self, path: str) -> Route | None:
        """The route of a raw path below /api/; None when it does not have the shape of an API URL."""
        route = self._paths.get(path)
        if route is None:
            route = self._route(path)
            # Paths with a rest hold tokens and names: unbounded, so they are not remembered.
            if route and route.endpoint and not route.rest and len(self._paths) < _CACHED_PATHS:
                self._paths[path] = route
        return route

    def _route(self, path: str) -> Route | None:
        match = _API_PATH.match(path)
        if match is None:
            return None
        namespace, name, rest = match[1].lower(), match[2], match[3]
        endpoint = self._by_name.get((namespace, name))
        return Route(
            endpoint,
            self._decoders.get((namespace, name)),
            _LEADING_VERSION.sub("", rest, count=1) if rest.startswith("/v") else rest,
            _VERSION.search(path) is not None,
            endpoint.name if endpoint else "unknown",
            namespace,
        )
