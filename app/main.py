"""The application: settings and rulebook in, FastAPI out. `uvicorn app.main:app` serves it."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any, Final, cast

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from app import __version__
from app.api import (
    anakinra,
    analysis,
    audit,
    cohorts,
    ctcae,
    examples,
    figures,
    gauges,
    health,
    jobs,
    patients,
    phenotype,
    protocols,
    receipts,
    rules,
    safety,
    statistics,
    survival,
    table_audit,
    token,
    treatment,
)
from app.api.about import DESCRIPTION, TAGS
from app.api.auditing import Auditor, Lean, RecordedLean, is_audited
from app.api.bulkhead import Bulkhead
from app.api.callers import is_public
from app.api.cohort_service import Cohorts
from app.api.context import Limits, context_of
from app.api.cors import Cors
from app.api.disclosure import Policies
from app.api.draining import DrainingResponse, is_still_sent
from app.api.exceptions import problem_of
from app.api.extras import TracingMissingError
from app.api.gate import Gate
from app.api.kinds import METHOD_NOT_ALLOWED
from app.api.logs import LineWriter, record, silence_access_log
from app.api.loop_probe import LoopProbe
from app.api.memory import share_heaps
from app.api.middleware import Edge
from app.api.observability import AccessLog, Metrics
from app.api.openapi import complete
from app.api.openapi_security import secured
from app.api.pages import add_pages
from app.api.paths import Paths
from app.api.problems import ProblemError, internal, reply_to
from app.api.rate import RateLimit
from app.api.readiness import Readiness
from app.api.receipt_giving import Receipts
from app.api.receipts_declared import gives_receipts
from app.api.routes import CalculatorRoute, lean_operation
from app.api.stopping import STATE, Stopping
from app.api.tracing import spans_of
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, RulebookError, load_rulebook
from app.cohorts.database import CohortDatabase, database_of
from app.cohorts.errors import StoreError
from app.cohorts.intake.rows import IntakeError
from app.security.audit.trail import AuditTrail
from app.security.authenticator import Authenticator
from app.security.errors import CallersUnavailableError, IssuersError
from app.security.issuers import load_issuers
from app.security.presence import Presence
from app.security.receipts.commands import Replaying
from app.security.receipts.keeper import ReceiptKeeper
from app.security.receipts.model import Code, RuleSetUsed
from app.security.receipts.replay import installed
from app.security.sealing import seal_of
from app.security.store.presence import has_callers
from app.settings import Settings, SettingsError, load_settings

_ANSWERED: Final = (
    ProblemError,
    RefusedInputError,
    StoreError,
    IntakeError,
    CallersUnavailableError,
    RequestValidationError,
    HTTPException,
    Exception,
)
# How long a look for callers may take; it is asked anew every two seconds while there are none.
_LOOK_SECONDS: Final = 2.0
# The database is opened so long after the start: what is asked first is answered first.
_WARM_UP_SECONDS: Final = 1.0
# How long a thread at heavy work keeps the interpreter when the event loop asks for it: Python's own five milliseconds
# are what a light call would wait for, again and again.
_SWITCH_SECONDS: Final = 0.001
_LAST_SPANS_SECONDS: Final = 2.0


def routers(rulebook: Rulebook, database: CohortDatabase, held: Cohorts, kept: Receipts) -> Iterable[APIRouter]:
    """Build every topic's router from the rulebook; a topic is one line here."""
    return (
        phenotype.build_router(rulebook, held.heavy),
        treatment.build_router(rulebook),
        protocols.build_router(rulebook),
        anakinra.build_router(rulebook),
        ctcae.build_router(rulebook, held.heavy),
        rules.build_router(rulebook),
        safety.build_router(rulebook),
        statistics.build_router(held.heavy),
        survival.build_router(held.heavy),
        table_audit.build_router(held.heavy),
        examples.build_router(),
        cohorts.build_router(held),
        patients.build_router(held),
        jobs.build_router(held),
        analysis.build_router(rulebook, held),
        figures.build_router(rulebook, held),
        audit.build_router(database),
        receipts.build_router(kept),
    )


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service, or raise Settings-, Issuers-, Rulebook- or TracingMissingError with a public message."""
    settings = settings or load_settings()
    with _no_collection():
        return service_of(settings, load_rulebook(settings.rules_dir), database_of(settings))


def service_of(settings: Settings, rulebook: Rulebook, database: CohortDatabase) -> Service:
    """Build the service over a rulebook and a database; RulebookError where the rules do not make one."""
    trail = AuditTrail(database, seal_of(settings.signing_key_bytes))
    database.trail = trail.of_transaction
    kept = Receipts(_keeper(settings, rulebook, database, trail))
    heavy = Bulkhead(settings.heavy_workers, settings.heavy_queue, settings.request_timeout_seconds)
    held = Cohorts(rulebook, database, heavy)
    service = assemble(settings, rulebook, routers(rulebook, database, held, kept), database, (trail, kept))
    service.hold(held, kept)
    return service


def _keeper(settings: Settings, rulebook: Rulebook, database: CohortDatabase, trail: AuditTrail) -> ReceiptKeeper:
    """Make what gives receipts, with the rules and the code that are installed."""
    rules = [RuleSetUsed(**loaded.ref.model_dump(include={"id", "version", "sha256"})) for loaded in rulebook.all()]
    here = installed(rules, Code(version=__version__, git_sha=settings.git_sha))
    return ReceiptKeeper(database, trail, here, settings.signing_key_bytes)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector off what is being made to stay: it costs a tenth of a second and finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def assemble(
    settings: Settings,
    rulebook: Rulebook,
    topics: Iterable[APIRouter],
    database: CohortDatabase | None = None,
    recording: tuple[AuditTrail, Receipts] | None = None,
) -> Service:
    """Put the topics' routers, the service's own operations and the pages into one application."""
    database = database or database_of(settings)
    trail, kept = recording or (AuditTrail(database), None)
    app = Service(settings, database, Auditor(trail, everything=settings.audit == "everything"), kept)
    rule_sets = [health.RuleSetVersion(**loaded.ref.model_dump()) for loaded in rulebook.all()]
    version = health.version_of(__version__, settings.git_sha, rule_sets)
    own = (
        health.build_router(version, app.metrics, lambda: not app.stopping.has_begun, app.readiness),
        token.build_router(app.authenticator.grant, settings.public_url),
    )
    for router in (*topics, *own):
        app.include_router(router)
    add_pages(app, app.openapi)
    return app


class Service(FastAPI):
    """FastAPI with our own edge around it, and an OpenAPI document that tells of problems."""

    def __init__(
        self, settings: Settings, database: CohortDatabase, auditor: Auditor, receipts: Receipts | None = None
    ) -> None:
        super().__init__(
            title="Defervesce",
            version=__version__,
            description=DESCRIPTION,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            openapi_url=None,
            redirect_slashes=False,
            lifespan=_lifespan,
            # It would export exception messages and validation failures, which may hold a patient's values.
            telemetry={"tracing": False, "metrics": False, "logs": False},
        )
        self.settings = settings
        self.database = database
        self.readiness = Readiness(database)
        issuers = load_issuers(settings.issuers)
        self.authenticator = Authenticator(database, issuers, trail=auditor.trail.of_transaction)
        url = settings.database_url.get_secret_value()
        self.presence = Presence(lambda: has_callers(url, _LOOK_SECONDS))
        self.demands_callers = settings.auth == "required" or bool(issuers)
        self.limits = Limits(
            settings.body_bytes,
            settings.record_bytes,
            settings.max_batch_items,
            settings.receive_timeout_seconds,
            settings.import_bytes,
        )
        self.state.limits = self.limits
        self.state.disclosure = Policies(settings.disclosure, settings.disclosure_tenants)
        self.auditor = self.state.auditor = auditor
        self._receipts = receipts
        self.metrics = Metrics({"version": __version__, "git_sha": settings.git_sha or "unknown"})
        self.writer = LineWriter()
        self.stopping = Stopping()
        self.probe = LoopProbe()
        self.metrics.sources += (partial(gauges.of_loop, self.probe),)
        self.spans = spans_of(settings.otel_endpoint)
        self.methods: Mapping[Any, str] = {}
        self._completed: dict[str, Any] | None = None
        self._completing = threading.Lock()
        for kind in _ANSWERED:
            self.add_exception_handler(kind, _answer)

    def hold(self, held: Cohorts, kept: Receipts) -> None:
        """Stop with the service what works for cohorts, and tell in the metrics of it and of receipts."""
        self.stopping = held.stopping
        self.stopping.when_given_up(held.heavy.stop)
        self.metrics.sources += (
            partial(gauges.of_places, held, self.limits, kept.places),
            partial(gauges.of_pool, self.database),
            partial(gauges.of_jobs, held.jobs),
            partial(gauges.of_rows, held),
        )

    def build_middleware_stack(self) -> ASGIApp:
        """Put the edge around FastAPI's own layers; routes are all known by now."""
        found = list(iter_route_contexts(self.routes))
        _refuse_unguarded(found)
        templates = {_endpoint(route): route.path for route in found}
        self.methods = methods_of(found, templates)
        index = self._lean_index(found)
        as_json = self.settings.log_format == "json"
        per_minute = self.settings.requests_per_minute
        rate = RateLimit(per_minute) if per_minute else None
        if rate is not None:
            self.metrics.sources += (partial(gauges.of_rate, rate),)
        return Edge(
            super().build_middleware_stack(),
            index=index,
            template_of=templates.get,
            paths=Paths((route.path, _endpoint(route), isinstance(route.original_route, Mount)) for route in found),
            gate=Gate(self.authenticator, self.callers_exist),
            limits=self.limits,
            cors=Cors(self.settings.cors_origins),
            metrics=self.metrics,
            log=AccessLog(self.writer, level=self.settings.log_level, as_json=as_json),
            auditor=self.auditor,
            rate=rate,
            trace=self.spans,
        )

    async def callers_exist(self, patience: float) -> bool | None:
        """Say whether anybody needs a credential; None when it cannot be told within the patience in seconds."""
        return True if self.demands_callers else await self.presence.known(patience)

    def replaying(self) -> Replaying:
        """Return what answers a receipt's input again, for the command line. ValueError without receipts."""
        if self._receipts is None:
            raise ValueError("this service gives no receipts")
        self._lean_index(iter_route_contexts(self.routes))
        return Replaying(self._receipts.keeper.here, self._receipts.operation, self._receipts.answer)

    def _lean_index(self, found: Iterable[Any]) -> dict[tuple[str, str], Lean]:
        """Return the operations that are answered on the short way, by method and path."""
        plain = [(route, lean) for route in found if route.path and (lean := lean_operation(route)) is not None]
        if self._receipts is not None:
            clinical = (one for one in plain if any(gives_receipts(each, one[0].path) for each in one[1].methods))
            self._receipts.over({route.original_route.operation_id: lean for route, lean in clinical})
        index: dict[tuple[str, str], Lean] = {}
        for route, lean in plain:
            name = route.original_route.operation_id or route.path
            answer = RecordedLean(self.auditor, name, lean) if self._is_recorded(route.path) else lean
            index |= {(method, route.path): answer for method in lean.methods}
        return index

    def _is_recorded(self, path: str) -> bool:
        return is_audited(path) or (self.auditor.everything and path.startswith("/v1/"))

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        with self._completing:
            if self._completed is None:
                needs = {route.unique_id: route.original_route.needs for route in _api_routes(self.routes)}
                self._completed = secured(complete(super().openapi(), TAGS, safety.models()), needs)
            return self._completed


def methods_of(found: Iterable[Any], templates: Mapping[Any, str | None]) -> Mapping[Any, str]:
    """Return by endpoint the methods of its path: several routes may share one, and a 405 names them all."""
    by_path: dict[str | None, set[str]] = {}
    for route in found:
        by_path.setdefault(route.path, set()).update(route.methods or ())
    for methods in by_path.values():
        # The edge answers HEAD as GET.
        methods.update({"HEAD"} if "GET" in methods else ())
    return {endpoint: ", ".join(sorted(by_path[path])) for endpoint, path in templates.items()}


def _endpoint(route: Any) -> Any:  # noqa: ANN401  # a route of any kind
    """Return what Starlette puts into the scope as `endpoint` when this route is chosen: a mount puts its app."""
    return route.endpoint or getattr(route.original_route, "app", None)


def _api_routes(routes: Sequence[Any]) -> Iterator[Any]:
    """Yield the operations, as they were included."""
    return (route for route in iter_route_contexts(routes) if isinstance(route.original_route, CalculatorRoute))


def _refuse_unguarded(found: Iterable[Any]) -> None:
    """Refuse a route that would answer whoever is known, whatever they may do: only our own kind checks scopes."""
    for route in found:
        endpoint = _endpoint(route)
        if endpoint and not isinstance(route.original_route, CalculatorRoute) and not is_public(endpoint):
            raise TypeError(f"{route.path}: a route is either public or a CalculatorRoute, which checks the scope")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Take over the access log at start, and stop cleanly: not ready any more, every line written."""
    service = cast("Service", app)
    silence_access_log()
    share_heaps()
    sys.setswitchinterval(_SWITCH_SECONDS)
    service.stopping.start()
    stopping = threading.Event()
    threading.Thread(target=_warm_up, args=(service, stopping), name="warm-up", daemon=True).start()
    probing = asyncio.ensure_future(service.probe.run())
    # The server tells when the end begins; without it, it begins when all is answered.
    yield {STATE: service.stopping}
    service.stopping.begin()
    stopping.set()
    probing.cancel()
    if service.spans is not None:
        # A collector that does not answer may not hold the end up.
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(service.spans.close), _LAST_SPANS_SECONDS)
    service.readiness.close()
    service.presence.close()
    service.authenticator.close()
    await asyncio.to_thread(service.database.dispose)
    service.writer.close()


def _warm_up(service: Service, stopping: threading.Event) -> None:
    """Open the database in the background, unless the service stops before, and say who is answered."""
    if not stopping.wait(_WARM_UP_SECONDS):
        service.database.warm_up()
        if not service.demands_callers and not service.presence.look():
            service.writer.write(record("warning", "no_callers_configured", answered="this machine alone"))


async def _answer(request: Request, exc: Exception) -> Response:
    """Answer what was raised inside FastAPI; what is raised outside it meets the edge."""
    context = context_of(request.scope)
    problem = problem_of(exc) or internal()
    if problem.kind is METHOD_NOT_ALLOWED and (allowed := request.app.methods.get(request.scope.get("endpoint"))):
        problem.headers = {"Allow": allowed}
    reply = reply_to(problem, context.path, context.request_id)
    return DrainingResponse(reply) if is_still_sent(problem.kind, context) else reply.response()


def __getattr__(name: str) -> FastAPI:
    """Make `app` when a server asks for it, and not when a test or the command line imports `create_app`.

    An environment that makes no service ends the process with a sentence instead of a traceback.
    """
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        app = globals()["app"] = create_app()
    except (SettingsError, IssuersError, RulebookError, TracingMissingError) as exc:
        raise SystemExit(f"defervesce cannot start:\n{exc}") from None
    return app
