"""`make demo`, once through."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys


def run(port: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PORT": str(port), "DEMO_ONCE": "1"}
    command = [sys.executable, "-m", "app.cohorts.study.demo"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_the_demonstration_prints_table_1_and_where_to_look():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    done = run(port)
    assert done.returncode == 0, done.stderr
    assert "46 of 46 patients" in done.stdout
    assert re.search(r"^Age, years +10.5 \[3.5, 13\] +8 \[4, 10\] +8 \[4, 13\] +0.57 a$", done.stdout, re.MULTILINE)
    assert re.search(r"^CV shock +3 \(21%\) +20 \(63%\) +23 \(50%\) +0.023 b$", done.stdout, re.MULTILINE)
    assert re.search(r"^IVIG .* -$", done.stdout, re.MULTILINE)
    assert re.search(r"^a +Mann-Whitney U test, exact", done.stdout, re.MULTILINE)
    assert re.search(r"^b +Fisher's exact test$", done.stdout, re.MULTILINE)
    assert f"http://127.0.0.1:{port}/v1/cohorts/" in done.stdout
    assert "/report" in done.stdout


def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(taken.getsockname()[1])
    assert done.returncode == 1
    assert "PORT=" in done.stderr
