"""OpenTelemetry, when an operator asks for it: one span per request, told by its route's template.

Off by default, and then nothing of it is loaded. A span holds method, route, status and duration. It never holds a
path, a query, a header, a body or an exception's message: those may name a patient.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from app import __version__
from app.api.context import RequestContext
from app.api.extras import TracingMissingError
from app.api.observability import known_method

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_SERVER_FAULT: Final = 500
_NANOSECONDS: Final = 1_000_000_000
_PARENT: Final = slice(36, 52)  # of a traceparent header


def spans_of(endpoint: str | None) -> Spans | None:
    """Return what makes spans and sends them to an OTLP endpoint; None when there is none."""
    if endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # an extra, asked for
            OTLPSpanExporter,
        )
    except ImportError:
        message = "DEFERVESCE_OTEL_ENDPOINT needs OpenTelemetry: install it with `pip install 'defervesce[otel]'`."
        raise TracingMissingError(message) from None
    return Spans(OTLPSpanExporter(endpoint=endpoint))


class Spans:
    """Makes a span of each answered request, with the ids that its answer and its log line bear."""

    def __init__(self, exporter: SpanExporter, *, at_once: bool = False) -> None:
        """Spans are sent in batches from a thread; `at_once` hands each over as it ends."""
        from opentelemetry import trace  # noqa: PLC0415  # an extra, asked for
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # as above
        from opentelemetry.sdk.trace.export import (  # noqa: PLC0415  # as above
            BatchSpanProcessor,
            SimpleSpanProcessor,
        )

        self._api: Any = trace
        self._ids = _Ids()
        told = Resource({"service.name": "defervesce", "service.version": __version__})
        self._provider = TracerProvider(resource=told, id_generator=_generator(self._ids))
        self._provider.add_span_processor((SimpleSpanProcessor if at_once else BatchSpanProcessor)(exporter))
        self._tracer = self._provider.get_tracer("defervesce", __version__)

    def __call__(self, route: str, method: str, status: int, seconds: float, context: RequestContext) -> None:
        """Make the span of a request that has just been answered."""
        api, ended, method = self._api, time.time_ns(), known_method(method)
        self._ids.span = context.span_id
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._parent(context),
            kind=api.SpanKind.SERVER,
            start_time=ended - int(seconds * _NANOSECONDS),
            attributes={
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "defervesce.request_id": context.request_id,
            },
        )
        if status >= _SERVER_FAULT:
            span.set_status(api.StatusCode.ERROR)
        span.end(ended)

    def close(self) -> None:
        """Send what waits to be sent."""
        self._provider.shutdown()

    def _parent(self, context: RequestContext) -> Any:  # noqa: ANN401  # OpenTelemetry's Context, not loaded at start
        if context.trace_id is None:
            return None
        sent = context.headers[b"traceparent"]
        flags = self._api.TraceFlags(int(context.trace_flags, 16))
        parent = self._api.SpanContext(
            int(context.trace_id, 16), int(sent[_PARENT], 16), is_remote=True, trace_flags=flags
        )
        return self._api.set_span_in_context(self._api.NonRecordingSpan(parent))


class _Ids:
    """The id of the next span, where its answer has told one already."""

    span = ""

    def next_span(self) -> int:
        given, self.span = self.span, ""
        return int(given, 16) if given else random.getrandbits(64) or 1  # an id, not a secret


def _generator(ids: _Ids) -> Any:  # noqa: ANN401  # a class made where OpenTelemetry is loaded
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415  # an extra, asked for

    class Generator(RandomIdGenerator):
        def generate_span_id(self) -> int:
            return ids.next_span()

    return Generator()
