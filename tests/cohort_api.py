"""The service over a database of the test's own, as a client that knows cohorts."""

from __future__ import annotations

import io
import json
from typing import Any

from starlette.testclient import TestClient

from app.api.logs import LineWriter
from app.main import create_app
from app.settings import load_settings

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"


def record(number: int, **fields: Any) -> dict[str, Any]:
    """Return the record of an invented patient."""
    base = {
        "patient_id": f"P{number:02}",
        "age_years": 5 + number % 10,
        "sex": "female" if number % 2 else "male",
        "phenotype": {"kd_like": number % 3 == 0, "cv_shock": number % 2 == 0},
        "treatment": {"ivig": {"dose_g_kg": 2, "ended_hour": 20}, "aspirin": True, "anakinra": False},
        "defervescence": {"hours": 20 + number % 100, "observed": True},
    }
    return base | fields


def lines(*records: dict[str, Any]) -> str:
    """Return records as NDJSON."""
    return "".join(json.dumps(one) + "\n" for one in records)


class Api:
    """A client, and what the service logged."""

    def __init__(self, url: str, **settings: str) -> None:
        chosen = {"DEFERVESCE_DATABASE_URL": url} | {f"DEFERVESCE_{k.upper()}": v for k, v in settings.items()}
        self.app: Any = create_app(load_settings(chosen))
        self.log = io.StringIO()
        self.app.writer = LineWriter(self.log)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def logged(self) -> str:
        """Return everything that was logged."""
        self.app.writer.flush()
        return self.log.getvalue()

    def close(self) -> None:
        """Close the database."""
        self.app.database.dispose()

    def create(self, *records: dict[str, Any], name: str = "Invented") -> str:
        """Create a cohort and return its path."""
        answer = self.client.post("/v1/cohorts", json={"name": name, "patients": list(records)})
        assert answer.status_code == 201, answer.text
        path: str = answer.headers["location"]
        return path

    def add(self, path: str, body: str | bytes, media_type: str = NDJSON, query: str = "", **headers: str) -> Any:
        """Add patients to a cohort."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"{path}/patients{query}", content=body, headers={"content-type": media_type} | named)

    def export(self, path: str, kind: str = "ndjson") -> bytes:
        """Return all records of a cohort."""
        answer = self.client.get(f"{path}/export", params={"format": kind})
        assert answer.status_code == 200, answer.text
        content: bytes = answer.content
        return content

    def state(self, path: str) -> tuple[Any, bytes]:
        """Return everything that a refused change must leave as it was."""
        shown = self.client.get(path)
        assert shown.status_code == 200, shown.text
        return shown.json(), self.export(path)


def codes(answer: Any) -> set[tuple[str, str]]:
    """Return pointer and code of every field that was refused."""
    return {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
