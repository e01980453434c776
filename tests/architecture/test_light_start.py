"""The service is ready before anything heavy is loaded: databases, numbers and pictures come with their first use."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "alembic",
    "jinja2",
    "lifelines",
    "matplotlib",
    "numpy",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "pandas",
    "psycopg",
    "scipy",
    "sqlalchemy",
)
START = """
import sys
from app.main import create_app
from app.settings import load_settings
create_app(load_settings({"DEFERVESCE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}))
print(*sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


def test_the_start_loads_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", START, *HEAVY], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
