"""Run the README's console examples against a live server; `python -m tests.contract.readme` writes their output in.

A block of ```console holds commands (`$ ...`) and under them what they print. Only the port is replaced.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


def blocks(text: str) -> list[str]:
    """Return the console blocks of a page."""
    return _BLOCK.findall(text)


def rerun(block: str, port: int) -> str:
    """Return a block with the output that its commands print now."""
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"{command}\n{_output(command[2:], port)}" for command in commands)


def _output(command: str, port: int) -> str:
    here = command.replace("localhost:8000", f"127.0.0.1:{port}")
    python = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/sh", "-c", here], capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **python}
    )
    return done.stdout + done.stderr


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Start the service as `make run` does, on a free port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "DEFERVESCE_DATABASE_URL": f"sqlite:///{folder}/readme.db"}
        cli = [sys.executable, "-m", "app.cli"]
        subprocess.run([*cli, "migrate"], cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)
        command = [*cli, "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _wait(port, process)
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=20)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1)
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the service did not start: {process.stderr.read().decode() if process.stderr else ''}")


def main() -> None:
    """Write the output of every example into the README."""
    with serving() as port:
        README.write_text(_BLOCK.sub(lambda m: rerun(m.group(), port), README.read_text()))


if __name__ == "__main__":
    main()
