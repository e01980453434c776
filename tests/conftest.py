"""What holds for all tests: how hypothesis draws its examples, and that no test writes into the working folder."""

from __future__ import annotations

import os
from functools import partialmethod

from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

# How fast examples are made says something of the machine, and how many are thrown away something of the strategy:
# neither says that the code is wrong. In CI the examples are the same at every run; elsewhere new ones are tried.
_MACHINE = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile("anywhere", deadline=None, suppress_health_check=_MACHINE)
settings.register_profile("ci", parent=settings.get_profile("anywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "anywhere")

# A service without callers answers its own machine alone: that is where the tests call from.
_HERE = {"base_url": "http://127.0.0.1", "client": ("127.0.0.1", 50_000)}
TestClient.__init__ = partialmethod(TestClient.__init__, **_HERE)

# Databases of their own for tests that need one: tests/databases.py. What fails a run whose hazards are not controlled:
# tests/safety_gate.py.
pytest_plugins = ["tests.databases", "tests.safety_gate"]
# A service that a test starts without saying where it keeps cohorts keeps them in memory.
os.environ.setdefault("DEFERVESCE_DATABASE_URL", "sqlite://")
