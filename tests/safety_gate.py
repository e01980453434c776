"""A full run of the suite fails where a test of a hazard's control failed, was skipped or is not there.

Which tests these are stands in app/safety/data. Of a run that was narrowed (by files, -k, -m, --lf and the like) only
what it ran can be judged, and pytest does that by itself. With pytest-xdist the controller judges what its workers ran.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from app.safety.files import load

Outcome = Literal["passed", "failed", "skipped", "left_out"]
_NARROWING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly", "pyargs")
_JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


class Gate:
    """Watches the outcomes of a run, and fails it at its end."""

    def __init__(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        self.wanted = wanted
        self.outcomes: dict[str, Outcome] = {}
        self.faults: list[str] = []
        self.left_out: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's three phases; an expected failure is none that passed."""
        found = outcome_of(report)
        if report.when == "call" or found != "passed":
            known = self.outcomes.get(report.nodeid)
            if known is None or found == "failed":
                self.outcomes[report.nodeid] = found

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Judge a full run."""
        if exitstatus not in _JUDGED or not is_full(session.config) or session.shouldstop or session.shouldfail:
            return
        self.left_out = sorted({i for i, test, what in faults(self.wanted, self.outcomes) if what == "left_out"})
        self.faults = [
            f"{i}: {test} {what}" for i, test, what in faults(self.wanted, self.outcomes) if what != "left_out"
        ]
        if self.faults and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say which hazards are not shown to be controlled."""
        if self.left_out:
            terminalreporter.section("HAZARDS WHOSE BROWSER TESTS WERE LEFT OUT", yellow=True, bold=True)
            terminalreporter.line(", ".join(self.left_out), yellow=True)
        if self.faults:
            terminalreporter.section("HAZARDS AND REQUIREMENTS WITHOUT A PASSING TEST", red=True, bold=True)
            for fault in self.faults:
                terminalreporter.line(f"  {fault}", red=True)


def outcome_of(report: pytest.TestReport) -> Outcome:
    """Name what one phase of a test came to; a browser's test may be left out where CI does not ask for it."""
    if hasattr(report, "wasxfail"):
        return "failed"
    if report.skipped and "browser" in report.keywords and not os.environ.get("CI"):
        return "left_out"
    return report.outcome


def faults(wanted: Mapping[str, tuple[str, ...]], outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, str, str]]:
    """Yield hazard, test and what is wrong with it. An id without brackets stands for every case of its test."""
    cases: dict[str, list[str]] = {}
    for node in outcomes:
        cases.setdefault(node.partition("[")[0], []).append(node)
    for hazard, tests in wanted.items():
        for test in tests:
            found = [test] * (test in outcomes) if "[" in test else cases.get(test, [])
            what = _worst(outcomes[node] for node in found)
            if what is not None:
                yield hazard, test, what


def _worst(found: Iterable[Outcome]) -> str | None:
    all_found = set(found)
    if not all_found:
        return "was not run"
    told = (("failed", "failed"), ("skipped", "was skipped"), ("left_out", "left_out"))
    return next((words for one, words in told if one in all_found), None)


def is_full(config: pytest.Config) -> bool:
    """Say whether the whole suite was asked for."""
    if any(getattr(config.option, name, None) for name in _NARROWING):
        return False
    root = config.rootpath
    whole = {root, *(root / path for path in config.getini("testpaths"))}
    return any((config.invocation_params.dir / Path(str(arg))).resolve() in whole for arg in config.args)


def pytest_configure(config: pytest.Config) -> None:
    """Watch, except in a worker of pytest-xdist: its controller does."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gate(load().tests()), "safety-gate")
