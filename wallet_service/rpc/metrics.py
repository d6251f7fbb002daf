"""Prometheus metrics of calls.

Several processes on one port keep their numbers in files of one folder, which the Prometheus client takes from the
environment: whichever of them is asked tells those of all.
"""

import os
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_BUCKETS_SECONDS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
)


class CallMetrics:
    """Calls by method, protocol and code; duration by method; calls in flight. Label values are published names only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._calls = Counter(
            "wallet_calls",
            "Calls answered",
            ("method", "protocol", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "wallet_call_duration_seconds",
            "From the first byte read to the last byte sent",
            ("method",),
            buckets=_BUCKETS_SECONDS,
            registry=registry,
        )
        self._children: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.in_flight: Gauge = Gauge(
            "wallet_calls_in_flight", "Calls being served", registry=registry, multiprocess_mode="livesum"
        )
        processes = Gauge(
            "wallet_api_processes", "Processes that serve this port", registry=registry, multiprocess_mode="livesum"
        )
        processes.set(1)

    def observe(self, *, method: str, protocol: str, code: str, seconds: float) -> None:
        key = (method, protocol, code)
        children = self._children.get(key)
        if children is None:
            children = (self._calls.labels(*key), self._seconds.labels(method))
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def route(self) -> Route:
        """`GET /metrics` in the text format: of this process, or of all that share its port."""

        async def metrics(request: Request) -> Response:
            del request
            return Response(generate_latest(self._everyones()), media_type=CONTENT_TYPE_LATEST)

        return Route("/metrics", metrics)

    def _everyones(self) -> CollectorRegistry:
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder is None:
            return self.registry
        shared = CollectorRegistry()
        MultiProcessCollector(shared, path=folder)
        return shared
