"""What the service counts, for Prometheus.

BentoML's own metrics are off: they keep a series for every path that was ever asked for, so a client that makes paths
up fills the memory.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry = self._registry
        self._requests = Counter(
            "ssgan_requests", "Answered and refused requests.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "ssgan_request_seconds", "From head to answer.", ["path"], buckets=BUCKETS, registry=registry
        )
        self._rows = Counter("ssgan_rows", "Rows that were answered.", registry=registry)
        self._unlike = Counter(
            "ssgan_rows_unlike_training_data", "Of them, unlike the training data.", registry=registry
        )
        self._swaps = Counter("ssgan_model_swaps", "Models taken into service while running.", registry=registry)
        self._refused = Counter("ssgan_models_refused", "Champions that could not be trusted.", registry=registry)
        self._dropped = Counter(
            "ssgan_background_dropped", "Requests a background task had no room for.", ["task"], registry=registry
        )
        self._known: dict[tuple[str, int], Callable[[float], None]] = {}

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts a request; `path` is one of the service's own, or "other"."""
        seen = self._known.get((path, status))
        if seen is None:
            count, time = self._requests.labels(path, str(status)), self._seconds.labels(path)

            def seen(seconds: float) -> None:
                count.inc()
                time.observe(seconds)

            self._known[path, status] = seen
        seen(seconds)

    def rows(self, rows: int, unlike: int) -> None:
        """Counts rows that were answered."""
        self._rows.inc(rows)
        if unlike:
            self._unlike.inc(unlike)

    def swapped(self) -> None:
        """Counts a model taken into service."""
        self._swaps.inc()

    def refused(self) -> None:
        """Counts a champion that stays outside."""
        self._refused.inc()

    def dropped(self, task: str, requests: int = 1) -> None:
        """Counts requests that a background task did not see."""
        self._dropped.labels(task).inc(requests)

    def watch_under_way(self, count: Callable[[], float]) -> None:
        """Shows the number of requests under way."""
        gauge = Gauge("ssgan_requests_under_way", "Requests under way.", registry=self._registry)
        gauge.set_function(count)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)
