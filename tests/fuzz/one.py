"""Fuzz one target by coverage (atheris, libFuzzer): `python -m tests.fuzz.one TARGET [libFuzzer's options]`."""

from __future__ import annotations

import os
import sys

import atheris

os.environ.setdefault("DEFERVESCE_DATABASE_URL", "sqlite://")
with atheris.instrument_imports(include=["app"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer has had enough, or something was found."""
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
