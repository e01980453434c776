"""Every test that the safety case names exists: its function by the source, its case by collecting the file."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from app.safety.files import load

ROOT = Path(__file__).parents[2]


@cache
def defined(path):
    """Return the names of a file's tests: functions, and functions of classes."""
    found = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{f.name}" for f in node.body if is_function(f)}
        elif is_function(node):
            found.add(node.name)
    return found


def is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def exists(test):
    path, _, name = test.partition("[")[0].partition("::")
    return (ROOT / path).is_file() and name in defined(path)


def test_every_test_that_is_named_exists():
    assert sorted(t for t in load().every_test() if not exists(t)) == []


def test_every_case_that_is_named_is_collected():
    cases = {t for t in load().every_test() if "[" in t}
    files = sorted({case.partition("::")[0] for case in cases})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTEST_ADDOPTS"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert sorted(cases - set(done.stdout.splitlines())) == []


def test_what_does_not_exist_is_noticed():
    assert exists("tests/safety/test_ids.py::test_what_does_not_exist_is_noticed")
    assert not exists("tests/safety/test_ids.py::test_of_nothing")
    assert not exists("tests/safety/test_nowhere.py::test_of_nothing")
