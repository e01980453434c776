"""Counting and logging of requests, at the cost of a few dictionary steps each."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from app.api.context import RequestContext
from app.api.logs import LineWriter, failure, record, timestamp

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

UNMATCHED: Final = "unmatched"
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER_METHOD: Final = "OTHER"
_SERVER_FAULT: Final = 500

Key = tuple[str, str, int]


Source = Callable[[], Iterable["Metric"]]


def known_method(method: str) -> str:
    """Return a method under which a request is told; a caller may send any word as one."""
    return method if method in _METHODS else _OTHER_METHOD


class _Tally:
    """Requests of one route, method and status: how many fell into each bucket, and how long they took together."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0


class Metrics:
    """What Prometheus is told. Labels come from route templates and known methods, so callers cannot multiply them."""

    def __init__(self, build: Mapping[str, str]) -> None:
        self.in_progress = 0
        # Whatever else is told of, asked at each scrape.
        self.sources: tuple[Source, ...] = ()
        self._build = dict(build)
        self._tallies: dict[Key, _Tally] = {}
        self._registry: Any = None

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (route, known_method(method), status)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally()
        tally.buckets[bisect_left(BUCKETS, seconds)] += 1
        tally.seconds += seconds

    def exposition(self) -> tuple[bytes, str]:
        """Write all metrics in the Prometheus text format, with its content type.

        prometheus_client is loaded with the first scrape: the service is ready without it.
        """
        from prometheus_client import exposition  # noqa: PLC0415  # see the docstring

        self.prepare()
        return exposition.generate_latest(self._registry), exposition.CONTENT_TYPE_LATEST

    def prepare(self) -> None:
        """Load what writes the metrics: a tenth of a second, once."""
        if self._registry is None:
            self._registry = self._registered()

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families, as a prometheus_client collector does."""
        from prometheus_client.core import (  # noqa: PLC0415  # see `exposition`
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        labels = ("route", "method", "status")
        requests = CounterMetricFamily("defervesce_requests", "Requests answered", labels=labels)
        seconds = HistogramMetricFamily("defervesce_request_seconds", "Time to answer", labels=labels)
        for (route, method, status), tally in sorted(self._tallies.items()):
            names = (route, method, str(status))
            found = cumulated(tally.buckets)
            requests.add_metric(names, found[-1][1])
            seconds.add_metric(names, buckets=found, sum_value=tally.seconds)
        yield requests
        yield seconds
        yield GaugeMetricFamily("defervesce_requests_in_progress", "Requests being answered", value=self.in_progress)
        yield InfoMetricFamily("defervesce_build", "What is running", value=self._build)
        for source in self.sources:
            yield from source()

    def _registered(self) -> Any:  # noqa: ANN401  # prometheus_client is not loaded at this point
        from prometheus_client import (  # noqa: PLC0415  # see `exposition`
            CollectorRegistry,
            PlatformCollector,
            ProcessCollector,
        )

        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return registry


class AccessLog:
    """Writes one line per request: method, route template, status, duration and ids. No path, no query, no body."""

    def __init__(self, writer: LineWriter, *, level: str = "info", as_json: bool = True) -> None:
        self._writer = writer
        self._quiet = level in {"warning", "error", "critical"}
        self._line: Callable[[str, str, int, float, RequestContext], str] = _json_line if as_json else _text_line

    def request(self, route: str, method: str, status: int, seconds: float, context: RequestContext) -> None:
        """Log one answered request; at level warning and above only the service's own faults."""
        if self._quiet and status < _SERVER_FAULT:
            return
        method = known_method(method)
        self._writer.write(self._line(route, method, status, seconds * 1000, context))

    def fault(self, exc: BaseException, route: str, context: RequestContext) -> None:
        """Log a fault of our own by type and place, and write it out at once."""
        details = failure(exc) | {"route": route, "request_id": context.request_id, "trace_id": context.trace_id}
        self._writer.write(record("error", "fault", **details))


def _json_line(route: str, method: str, status: int, milliseconds: float, context: RequestContext) -> str:
    """Write the line by hand: route, method and ids are of safe characters by construction."""
    trace = f',"trace_id":"{context.trace_id}","span_id":"{context.span_id}"' if context.trace_id else ""
    return (
        f'{{"time":"{timestamp(time.time())}","level":"info","event":"request","method":"{method}","route":"{route}",'
        f'"status":{status},"duration_ms":{milliseconds:.3f},"request_id":"{context.request_id}"{trace}}}'
    )


def _text_line(route: str, method: str, status: int, milliseconds: float, context: RequestContext) -> str:
    now = timestamp(time.time())
    return f"{now} info    {method} {route} {status} {milliseconds:.3f} ms {context.request_id}"


def cumulated(counts: Sequence[int], bounds: Sequence[float] = BUCKETS) -> list[tuple[str, float]]:
    """Return the counts of a histogram's buckets as Prometheus has them: each with all below it."""
    total, found = 0, []
    for bound, number in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        total += number
        found.append((bound, float(total)))
    return found
