"""The application and its OpenAPI document, made once."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import load_settings


@pytest.fixture(scope="session")
def app():
    return create_app(load_settings({"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://"}))


@pytest.fixture(scope="session")
def client(app):
    return TestClient(app)
