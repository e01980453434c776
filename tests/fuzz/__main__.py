"""The nightly campaign: `python -m tests.fuzz --inputs 1000000`, a process for each target, as many at once as cores.

Every target starts from its seeds and from what earlier campaigns kept in --corpus. It ends with a table of what was
run, and with 1 when something was found: the input stands in the corpus folder, and is run again by
`python -m tests.fuzz.one TARGET FILE`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from tests.fuzz.targets import LAYOUT, TARGETS

_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_LONGEST_INPUT = 8_192
# A machine under load may take its time; an input that takes this long does not come to an end.
_SECONDS_OF_ONE = 120
_SIGNS = (
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "false",
    "\r\n",
    "\t",
    "=",
    "+",
    "-",
    "1e400",
    "NaN",
    "\\u0000",
)


class Outcome(NamedTuple):
    """What became of one target."""

    target: str
    wanted: int
    runs: int
    seconds: float
    is_clean: bool
    said: str


def main() -> int:
    """Run the campaign; 0: nothing was found and every input was run."""
    options = _parser().parse_args()
    options.corpus.mkdir(parents=True, exist_ok=True)
    words = _dictionary(options.corpus / "words.dict")
    chosen = options.target or list(TARGETS)
    whole = sum(TARGETS[name].share for name in chosen)
    # The longest first, so that the cores end together.
    order = sorted(chosen, key=lambda name: -TARGETS[name].share)
    with ThreadPoolExecutor(options.jobs) as pool:
        wanted = {name: max(1, round(options.inputs * TARGETS[name].share / whole)) for name in chosen}
        found = list(pool.map(lambda name: _campaign(name, wanted[name], options, words), order))
    return _tell(found, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz every parser")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs in all")
    parser.add_argument("--seconds", type=int, default=0, help="most seconds of one target; 0: no limit")
    parser.add_argument("--seed", type=int, default=1, help="where chance starts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"), help="folder for what was learned and found")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be said several times")
    return parser


def _campaign(name: str, wanted: int, options: argparse.Namespace, words: Path) -> Outcome:
    corpus, seeds, found = (options.corpus / name / kind for kind in ("corpus", "seeds", "found"))
    for folder in (corpus, seeds, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds):
        (seeds / f"{number:03}").write_bytes(seed)
    started = monotonic()
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", name, str(corpus), str(seeds)),
        *(
            f"-runs={wanted}",
            f"-max_total_time={options.seconds}",
            f"-seed={options.seed}",
            f"-max_len={_LONGEST_INPUT}",
        ),
        *(f"-timeout={_SECONDS_OF_ONE}", f"-artifact_prefix={found}/", f"-dict={words}", "-print_final_stats=1"),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    said = done.stdout + done.stderr
    runs = _RUNS.search(said)
    return Outcome(name, wanted, int(runs[1]) if runs else 0, monotonic() - started, done.returncode == 0, said)


def _tell(found: list[Outcome], options: argparse.Namespace) -> int:
    for one in found:
        if not one.is_clean:
            sys.stdout.write(
                f"\n{one.target}: FOUND, see {options.corpus / one.target / 'found'}\n{one.said[-4_000:]}\n"
            )
    for one in found:
        state = "clean" if one.is_clean else "FOUND"
        sys.stdout.write(f"{one.target:12} {one.runs:>9} of {one.wanted:>9} inputs {one.seconds:7.0f} s  {state}\n")
    runs = sum(one.runs for one in found)
    sys.stdout.write(f"{'all':12} {runs:>9} of {options.inputs:>9} inputs, seed {options.seed}\n")
    is_short = not options.seconds and any(one.runs < one.wanted for one in found)
    return int(is_short or not all(one.is_clean for one in found))


def _dictionary(path: Path) -> Path:
    """Write the words that inputs are made of: the names of the record's columns, and what text formats hinge on."""
    words = sorted({part for name in LAYOUT.names() for part in name.split(".")}) + list(_SIGNS)
    path.write_text("".join(f'"{_escaped(word)}"\n' for word in words), encoding="ascii")
    return path


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    sys.exit(main())
