"""Log lines: written off the loop, bounded, and without the messages of exceptions."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import time

import pytest

from app.api import logs
from app.api.logs import LineWriter, SafeFormatter, config, failure, record, timestamp

CANARY = "canary-7391"


def raised() -> ValueError:
    try:
        float(CANARY)
    except ValueError as exc:
        return exc
    raise AssertionError


def test_lines_are_written_in_order_by_a_thread_and_at_the_end():
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.write("1")
    for _ in range(200):
        if stream.getvalue():
            break
        time.sleep(0.02)
    assert stream.getvalue() == "1\n"
    writer.write("2")
    writer.write("3")
    writer.close()
    assert stream.getvalue() == "1\n2\n3\n"
    writer.write("4")
    writer.close()
    assert stream.getvalue() == "1\n2\n3\n4\n", "a closed writer starts again"


def test_lines_that_nobody_takes_are_dropped_and_counted(monkeypatch):
    monkeypatch.setattr(logs, "_MOST_WAITING", 2)
    monkeypatch.setattr(LineWriter, "_start", lambda _: None)
    stream = io.StringIO()
    writer = LineWriter(stream)
    for line in ("1", "2", "3", "4"):
        writer.write(line)
    writer.flush()
    *lines, dropped = stream.getvalue().splitlines()
    assert lines == ["1", "2"]
    assert json.loads(dropped)["event"] == "log_lines_dropped"
    assert json.loads(dropped)["count"] == 2


def test_an_output_that_is_gone_does_not_end_the_writer():
    stream = io.StringIO()
    writer = LineWriter(stream)
    stream.close()
    writer.write("1")
    writer.close()


def test_a_failure_tells_type_and_place_and_not_the_message():
    told = failure(raised())
    assert told["error"] == "builtins.ValueError"
    assert told["at"][-1].endswith(" raised")
    assert CANARY not in json.dumps(told)


def test_times_are_rfc_3339():
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1606082400.5) == "2020-11-22T22:00:00.500Z"
    assert json.loads(record("info", "x", a=1))["a"] == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_the_standard_librarys_records_are_safe_too(as_json):
    exc = raised()
    found = logging.LogRecord("uvicorn.error", logging.ERROR, "x.py", 1, "it %s\n", ("broke",), (type(exc), exc, None))
    line = SafeFormatter(as_json=as_json).format(found)
    assert CANARY not in line
    assert "it broke" in line
    assert "ValueError" in line
    assert "\n" not in line


def test_the_configuration_is_one_that_logging_takes():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        logging.config.dictConfig(config(level="warning", as_json=True))
        assert root.level == logging.WARNING
        assert not logging.getLogger("uvicorn.access").hasHandlers()
    finally:
        root.handlers[:], root.level = handlers, level
        logging.getLogger("uvicorn.access").propagate = True
