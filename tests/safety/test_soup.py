"""The list of software of others is complete, and is what runs."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from app.safety.files import load
from app.safety.soup import installed, locked

ROOT = Path(__file__).parents[2]
LOCKED = locked(ROOT / "uv.lock")
HOW = "add a table to app/safety/data/soup.toml (licence, purpose, if_wrong, check), then `make safety`"


def test_every_direct_dependency_has_an_entry():
    assert [name for name, p in LOCKED.items() if not p.brought_by and name not in load().soup] == [], HOW
    assert [name for name in load().soup if name not in LOCKED] == [], "these are no dependencies any more"


def test_direct_ones_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {re.match(r"[A-Za-z0-9._-]+", d).group().lower() for d in project["dependencies"]}
    assert {name for name, p in LOCKED.items() if not p.brought_by} == named


def test_what_is_brought_along_is_found_through_every_step():
    assert "anyio" in LOCKED
    assert "fastapi" in LOCKED["anyio"].brought_by
    assert LOCKED["psycopg-binary"].brought_by == ("psycopg",)
    assert "pytest" not in LOCKED
    assert "ruff" not in LOCKED


def test_what_is_served_are_the_versions_that_run():
    served = {one.name: one for one in installed(load().soup)}
    assert set(load().soup) <= set(served)
    for name in ("scipy", "pydantic", "sqlalchemy"):
        assert served[name].version == importlib.metadata.version(name)
        assert served[name].version in LOCKED[name].versions
        assert served[name].licence
    assert served["anyio"].record is None
    assert served["anyio"].brought_by


def test_a_package_of_another_platform_has_no_version():
    record = load().soup["uvloop"]
    (one,) = installed({"not-installed-anywhere": record})
    assert (one.version, one.licence) == (None, record.licence)


def test_the_known_holes_of_scipy_and_lifelines_are_told():
    soup = load().soup
    assert len(soup["scipy"].anomalies) >= 5
    assert len(soup["lifelines"].anomalies) >= 4
    assert all(record.check and record.if_wrong and record.licence for record in soup.values())
