"""The gate really fails a run: small suites of their own, run by a pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.safety_gate import faults

ROOT = Path(__file__).parents[2]
CONFTEST = """
from tests.safety_gate import Gate
WANTED = {wanted!r}
def pytest_configure(config):
    config.addinivalue_line("markers", "browser: as in the suite")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gate(WANTED))
"""
SUITE = """
import pytest
def test_good(): pass
def test_bad(): assert not {bad}
@pytest.mark.parametrize("n", [1, 2])
def test_cases(n): pass
@pytest.mark.skip(reason="for the gate")
def test_skipped(): pass
@pytest.mark.skip(reason="no browser")
@pytest.mark.browser
def test_page(): pass
@pytest.mark.xfail
def test_expected(): assert False
"""


@pytest.fixture
def run(tmp_path):
    def runs(wanted, *arguments, bad=False, environment=None):
        folder = tmp_path / "suite" / "safety"
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = suite\n")
        (tmp_path / "conftest.py").write_text(CONFTEST.format(wanted={"H-XXX-01": wanted}))
        (folder / "test_it.py").write_text(SUITE.format(bad=bad))
        kept = {k: v for k, v in os.environ.items() if k not in {"CI", "PYTEST_ADDOPTS"}}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return done.returncode, done.stdout

    return runs


def named(*names):
    return tuple(f"suite/safety/test_it.py::{name}" for name in names)


def test_a_full_run_with_passing_tests_passes(run):
    assert run(named("test_good", "test_cases", "test_cases[2]"))[0] == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("test_gone", "was not run"),
        ("test_cases[3]", "was not run"),
        ("test_skipped", "was skipped"),
        ("test_expected", "failed"),
    ],
)
def test_a_full_run_fails_without_the_test_of_a_hazard(run, name, words):
    code, said = run(named("test_good", name))
    assert code == 1
    assert f"H-XXX-01: suite/safety/test_it.py::{name} {words}" in said


def test_a_failing_test_is_named_with_its_hazard(run):
    code, said = run(named("test_bad"), bad=True)
    assert code == 1
    assert "H-XXX-01: suite/safety/test_it.py::test_bad failed" in said


@pytest.mark.parametrize(
    "narrowed",
    [["suite/safety"], ["-k", "good"], ["-m", "not browser"], ["--deselect", "suite/safety/test_it.py::test_good"]],
)
def test_a_narrowed_run_is_not_judged(run, narrowed):
    assert run(named("test_gone"), *narrowed)[0] == 0


@pytest.mark.parametrize("whole", [["suite"], ["."], ["suite/"]])
def test_the_whole_named_by_its_folder_is_judged(run, whole):
    assert run(named("test_gone"), *whole)[0] == 1


def test_a_browser_may_be_missing_outside_ci_and_is_told(run):
    code, said = run(named("test_page"))
    assert (code, "BROWSER TESTS WERE LEFT OUT" in said, "H-XXX-01" in said) == (0, True, True)
    assert run(named("test_page"), environment={"CI": "true"})[0] == 1


def test_every_case_of_a_test_has_to_pass():
    outcomes = {"tests/a.py::t[1]": "passed", "tests/a.py::t[2]": "failed", "tests/a.py::u": "passed"}
    found = list(faults({"H": ("tests/a.py::t", "tests/a.py::t[1]", "tests/a.py::u")}, outcomes))
    assert found == [("H", "tests/a.py::t", "failed")]
