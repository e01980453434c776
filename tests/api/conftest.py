"""The service through ASGI, and beside it a small example topic that shows the conventions without any medicine."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.testclient import TestClient

from app.api.body import read_json
from app.api.context import context_of
from app.api.logs import LineWriter
from app.api.routes import CalculatorRoute, bulk
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.main import Service, assemble, create_app
from app.settings import Settings, load_settings

CANARY = "canary-7391"
BODY = {"weight_kg": 25.0, "labs": [{"analyte": "crp", "value": 154.0}]}


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Lab(Strict):
    analyte: str = Field(min_length=1, max_length=20, description="Slug of the analyte.")
    value: float = Field(description="Measured value.")


class Sample(Strict):
    weight_kg: float = Field(ge=0.3, le=300, description="Body weight in kg. Plausible for a child.")
    sex: Literal["male", "female"] | None = Field(default=None, description="Sex")
    stable: bool | None = None
    doses: int | None = Field(default=None, gt=0, lt=9)
    at: AwareDatetime | None = None
    labs: list[Lab] = Field(default=[], max_length=3)
    either: int | Literal["low", "high"] | None = None


class Outcome(Strict):
    weight_kg: float
    labs: int


def build_example() -> APIRouter:  # noqa: C901  # many small endpoints, one after the other
    router = APIRouter(prefix="/v1/example", tags=["service"], route_class=CalculatorRoute)

    @router.post("/plain", operation_id="example_plain")
    async def plain(body: Sample) -> Outcome:
        return Outcome(weight_kg=body.weight_kg, labs=len(body.labs))

    @router.post("/negotiated")
    async def negotiated(body: Sample, request: Request) -> Outcome:
        if request.headers.get("accept") == "text/calendar":
            return Response("BEGIN:VCALENDAR", media_type="text/calendar")
        return Outcome(weight_kg=body.weight_kg, labs=0)

    @router.post("/named/{name}")
    async def named(
        body: Sample,
        name: Annotated[str, Path()],
        version: Annotated[Literal["1", "2"], Query(description="Version.")] = "1",
    ) -> Outcome:
        return Outcome(weight_kg=body.weight_kg, labs=int(version) + len(name) * 0)

    @router.get("/none")
    async def none() -> Outcome:
        return Outcome(weight_kg=1, labs=0)

    @router.post("/bulk")
    @bulk
    async def bulky(body: Sample) -> Outcome:
        return Outcome(weight_kg=body.weight_kg, labs=0)

    @router.post("/streamed")
    async def streamed(request: Request) -> Outcome:
        body = await read_json(request, Sample, context_of(request.scope).limits.body_bytes)
        return Outcome(weight_kg=body.weight_kg, labs=0)

    @router.post("/raw")
    async def raw(request: Request, name: str = "x") -> Outcome:
        return Outcome(weight_kg=len(await request.body()), labs=len(name))

    @router.post("/refused")
    async def refused(body: Sample) -> Outcome:  # noqa: ARG001  # refused whatever it holds
        raise RefusedInputError(InputError("/labs/0/unit", "unit_unknown", "Not a unit of this analyte.", ("mg/L",)))

    @router.post("/broken")
    async def broken(body: Sample) -> Outcome:
        raise ValueError(f"{CANARY} {body.weight_kg}")

    @router.get("/broken/{name}")
    async def broken_by_fastapi(name: str) -> Outcome:
        raise ValueError(f"{CANARY} {name}")

    @router.get("/late")
    async def late() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half"
            raise ValueError(CANARY)

        return StreamingResponse(parts())

    @router.get("/late/{name}")
    async def late_by_fastapi(name: str) -> Response:  # noqa: ARG001  # it only keeps the route off the short way
        return await late()

    @router.post("/custom")
    async def custom(body: Custom) -> Outcome:
        return Outcome(weight_kg=body.low, labs=0)

    @router.get("/text", response_class=PlainTextResponse)
    async def text() -> Response:
        return PlainTextResponse("x")

    return router


class Custom(Strict):
    low: float
    high: float

    def model_post_init(self, _: object) -> None:
        if self.low > self.high:
            raise PydanticCustomError("low_above_high", "low must not be above high")
        if self.low == self.high:
            raise ValueError("low and high must differ")


def make_app(**settings: str) -> tuple[Service, io.StringIO]:
    named = {"database_url": "sqlite://"} | settings
    chosen = load_settings({f"DEFERVESCE_{name.upper()}": value for name, value in named.items()})
    app, log = assemble(chosen, Rulebook([]), [build_example()]), io.StringIO()
    app.writer = LineWriter(log)
    return app, log


@dataclass
class Example:
    """The service with the example topic, a client, and everything it logged."""

    app: Service
    client: TestClient
    log: io.StringIO

    def logged(self) -> list[dict[str, Any]]:
        self.app.writer.flush()
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def example() -> Example:
    app, log = make_app()
    return Example(app, TestClient(app, raise_server_exceptions=False), log)


@pytest.fixture
def make_example():
    def make(**settings: str) -> Example:
        app, log = make_app(**settings)
        return Example(app, TestClient(app, raise_server_exceptions=False), log)

    return make


@pytest.fixture(scope="session")
def app() -> Service:
    return create_app(Settings.model_construct(database_url=SecretStr("sqlite://")))


@pytest.fixture
def client(app) -> TestClient:
    return TestClient(app)


@dataclass
class Told:
    """One answer as ASGI messages told it, and how much of the body was taken in."""

    status: int
    headers: dict[str, str]
    body: bytes
    pulled: int

    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def drive():
    """Call an ASGI app with a body of chunks that are made only when they are asked for; None never comes."""

    def call(app, path: str, chunks: Iterable[bytes | None], headers: dict[str, str], method: str = "POST") -> Told:
        return asyncio.run(_drive(app, path, chunks, headers, method))

    return call


async def _drive(app, path, chunks, headers, method) -> Told:
    pulled, sent, waiting, ended = 0, [], iter(chunks), False

    async def receive() -> dict[str, Any]:
        nonlocal pulled, ended
        chunk = next(waiting, b"")
        if chunk is None or ended:
            await asyncio.Event().wait()
        ended = not chunk
        pulled += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    names = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": names, "root_path": "", "scheme": "http", "server": ("localhost", 80), "http_version": "1.1"}
    await app(scope, receive, send)
    start = sent[0]
    got = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Told(start["status"], got, b"".join(m.get("body", b"") for m in sent[1:]), pulled)
