"""`make demo`: starts the service on a database of its own, posts the study cohort to it, and prints Table 1.

PORT chooses the port (8000). DEMO_ONCE=1 ends when Table 1 is printed; otherwise the service runs until Ctrl-C.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Final

from app.cohorts.study import study_cohort

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
READY: Final = 200
PATIENCE: Final = 60.0  # seconds for the service to be ready
PAUSE: Final = 0.1
BATCH: Final = 2
BAR: Final = 40
HALF: Final = 0.5
TIMEOUT: Final = 30
STOPPING: Final = 15


class DemoError(RuntimeError):
    """The demonstration cannot go on; its text says why."""


def main() -> int:
    """Run the demonstration; returns the exit code."""
    port = int(os.environ.get("PORT") or DEFAULT_PORT)
    once = os.environ.get("DEMO_ONCE") == "1"
    try:
        with tempfile.TemporaryDirectory(prefix="defervesce-demo-") as folder, service(port, Path(folder)) as process:
            show(port)
            if not once:
                _say("Ctrl-C ends the service and deletes its database.")
                process.wait()
    except KeyboardInterrupt:
        _say("")
    except DemoError as exc:
        sys.stderr.write(f"demo: {exc}\n")
        return 1
    return 0


@contextmanager
def service(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Migrate a database in the folder and serve from it until the block ends. Raises DemoError."""
    _refuse_a_taken_port(port)
    environment = {**os.environ, "DEFERVESCE_DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite'}"}
    command = [sys.executable, "-m", "app.cli"]
    with (folder / "service.log").open("wb") as log:
        subprocess.run(  # noqa: S603  # our own command
            [*command, "migrate"], env=environment, stdout=log, stderr=log, check=True
        )
        with subprocess.Popen(  # noqa: S603  # our own command
            [*command, "serve", "--host", HOST, "--port", str(port)], env=environment, stdout=log, stderr=log
        ) as process:
            try:
                _wait(port, process, folder / "service.log")
                yield process
            finally:
                process.terminate()
                process.wait(STOPPING)


def _refuse_a_taken_port(port: int) -> None:
    with closing(socket.socket()) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            raise DemoError(f"port {port} is taken; choose another: make demo PORT=8001") from None


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            if answer(port, "GET", "/readyz")[0] == READY:
                return
        except (OSError, HTTPException):
            pass
        time.sleep(PAUSE)
    raise DemoError(f"the service did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


def answer(
    port: int, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Make one request; returns status and body."""
    connection = HTTPConnection(HOST, port, timeout=TIMEOUT)
    try:
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json"} if content else {}
        connection.request(method, path, content, {**sent, **(headers or {})})
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else {}
    finally:
        connection.close()


def show(port: int) -> None:
    """Load the study cohort in batches over HTTP, print Table 1, and say where to look on."""
    cohort = study_cohort()
    patients = cohort.pop("patients")
    cohort_id = asked(port, "POST", "/v1/cohorts", {**cohort, "patients": []})["id"]
    _say(f"{cohort['name']}\nposting {len(patients)} records to http://{HOST}:{port}/v1/cohorts/{cohort_id}/patients")
    for start in range(0, len(patients), BATCH):
        batch = {"patients": patients[start : start + BATCH]}
        asked(port, "POST", f"/v1/cohorts/{cohort_id}/patients", batch)
        _progress(min(start + BATCH, len(patients)), len(patients))
    table = asked(port, "GET", f"/v1/cohorts/{cohort_id}/analysis/characteristics?by=treatment")["characteristics"]
    _say("\n" + "\n".join(table_1(table)))
    base = f"http://{HOST}:{port}/v1/cohorts/{cohort_id}"
    _say(
        f"\nthe report         {base}/report\nthe whole analysis {base}/analysis\nthe API            http://{HOST}:{port}/docs"
    )


def asked(port: int, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Make one request that must succeed. Raises DemoError with the problem's own words."""
    status, found = answer(port, method, path, body)
    if status >= 400:  # noqa: PLR2004  # where HTTP's errors begin
        raise DemoError(f"{method} {path} answered {status}: {found.get('detail', found)}")
    return found


def table_1(section: Mapping[str, Any]) -> list[str]:
    """Write the characteristics as lines of text."""
    marks: dict[str, str] = {}
    head = [
        "",
        *(f"{group['label']} (n = {group['n']})" for group in section["groups"]),
        f"all (n = {section['n']})",
        "p",
    ]
    rows = [head, *(_row(row, marks) for row in section["rows"])]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"{mark}  {method}" for method, mark in marks.items()]
    return [section["title"], "", lines[0], "-" * max(map(len, lines)), *lines[1:], "", *notes]


def _row(row: Mapping[str, Any], marks: dict[str, str]) -> list[str]:
    """Write one row; its p with the letter of its test, which is added to `marks`."""
    label = row["label"] if row["unit"] is None else f"{row['label']}, {row['unit']}"
    return [label, *(_cell(cell) for cell in (*row["groups"], row["overall"])), _p(row["test"], marks)]


def _p(test: Mapping[str, Any] | None, marks: dict[str, str]) -> str:
    if test is None or test["p_value"] is None:
        return "-"
    mark = marks.setdefault(test["method"], ascii_lowercase[len(marks)])
    return f"{test['p_value']:.2g} {mark}"


def _cell(cell: Mapping[str, Any]) -> str:
    if cell["median"] is not None:
        return f"{cell['median']:g} [{cell['q1']:g}, {cell['q3']:g}]"
    return "" if cell["percent"] is None else f"{cell['count']} ({int(cell['percent'] + HALF)}%)"


def _progress(done: int, of: int) -> None:
    filled = BAR * done // of
    end = "\n" if done == of else ""
    sys.stdout.write(f"\r[{'#' * filled}{'.' * (BAR - filled)}] {done} of {of} patients{end}")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
