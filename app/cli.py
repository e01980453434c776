"""The command line: `defervesce serve`, `defervesce openapi`, `defervesce rules check`.

The application is named to the server, and looked up here, by its import string: the command line stands beside
`app.main`, not on it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from app.clinical.rulebook import Rulebook, RulebookError, load_rulebook
from app.settings import Settings, SettingsError, load_settings

APPLICATION: Final = "app.main:app"
FACTORY: Final = "app.main:create_app"
_REFUSED: Final = 2
_DIFFERENT: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 found a difference, 2 refused)."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (SettingsError, RulebookError) as exc:
        print(f"defervesce: {exc}", file=sys.stderr)
        return _REFUSED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="defervesce", description="MIS-C phenotype, anakinra and CTCAE over HTTP")
    commands = parser.add_subparsers(required=True, metavar="command")

    serve = commands.add_parser("serve", help="start the service")
    serve.add_argument("--host", help="address to listen on (DEFERVESCE_HOST; 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (DEFERVESCE_PORT; 8000)")
    serve.add_argument("--workers", type=int, help="number of processes (DEFERVESCE_WORKERS; 1)")
    serve.set_defaults(run=_serve)

    openapi = commands.add_parser("openapi", help="write the OpenAPI document as YAML")
    openapi.add_argument("--output", type=Path, help="file to write; standard output by default")
    openapi.add_argument("--check", type=Path, metavar="FILE", help="compare with a file; exit 1 when it differs")
    openapi.set_defaults(run=_openapi)

    rules = commands.add_parser("rules", help="look at rule files").add_subparsers(required=True, metavar="action")
    check = rules.add_parser("check", help="validate a hospital's rules folder and say what it adds or overrides")
    check.add_argument("folder", nargs="?", type=Path, help="folder with *.toml (DEFERVESCE_RULES_DIR)")
    check.set_defaults(run=_check_rules)
    return parser


def _serve(options: argparse.Namespace) -> int:
    """Check everything first, so that what is wrong is said once and without a traceback, then serve."""
    import uvicorn  # noqa: PLC0415  # the other commands need no server

    from app.api.logs import config  # noqa: PLC0415  # as above
    from app.api.server import DeadlineProtocol  # noqa: PLC0415  # as above

    settings = load_settings()
    host, port = options.host or settings.host, options.port or settings.port
    workers = options.workers or settings.workers
    if workers > 1:
        _load(FACTORY)(settings)
    uvicorn.run(
        APPLICATION,
        host=host,
        port=port,
        workers=workers,
        http=DeadlineProtocol,
        log_config=config(level=settings.log_level, as_json=settings.log_format == "json"),
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=10,
    )
    return 0


def _openapi(options: argparse.Namespace) -> int:
    text = document(_load(FACTORY)(Settings.model_construct()).openapi())
    if options.check is not None:
        return _compare(text, options.check)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def document(openapi: dict[str, Any]) -> str:
    """Write an OpenAPI document as YAML, the same text every time."""
    import yaml  # noqa: PLC0415  # this command alone needs it

    class Dumper(yaml.SafeDumper):
        """Writes every occurrence out (many OpenAPI tools follow no aliases) and texts of several lines as such."""

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's signature
            return True

        def represent_text(self, data: str) -> yaml.ScalarNode:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)

    Dumper.add_representer(str, Dumper.represent_text)
    return yaml.dump(openapi, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def _compare(text: str, path: Path) -> int:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{path} differs from the application; write it again with `make openapi`", file=sys.stderr)
    return _DIFFERENT


def _check_rules(options: argparse.Namespace) -> int:
    folder = options.folder or load_settings().rules_dir
    if folder is None:
        raise SettingsError("name a folder, or set DEFERVESCE_RULES_DIR")
    if not folder.is_dir():
        raise SettingsError(f"{folder} is not a folder")
    built_in, together = load_rulebook(), load_rulebook(folder)
    _load(FACTORY)(Settings.model_construct(rules_dir=folder))
    lines = list(_changes(built_in, together))
    print("\n".join(lines or [f"{folder} holds no rule files (*.toml)"]))
    return 0


def _changes(built_in: Rulebook, together: Rulebook) -> list[str]:
    """Say of each of the hospital's rule sets whether it is new or takes the place of one of ours."""
    lines = []
    for found in together.all():
        if found.origin != "hospital":
            continue
        ours = built_in.get(found.id)
        what = "adds" if ours is None else f"overrides {ours.ref.version} of"
        lines.append(f"{found.file}: {what} {found.id} {found.ref.version} ({found.topic}) sha256 {found.sha256}")
    return lines


def _load(name: str) -> Any:  # noqa: ANN401  # whatever the import string names
    from uvicorn.importer import import_from_string  # noqa: PLC0415  # not needed to parse a command

    return import_from_string(name)


if __name__ == "__main__":
    sys.exit(main())
