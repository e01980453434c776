"""The command line: `defervesce serve`, `migrate`, `import`, `export`, `audit`, `receipt`, `tallies`, `rules` ...

The application is named to the server, and looked up here, by its import string: the command line stands beside
`app.main`, not on it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.clinical.rulebook import Rulebook, RulebookError, load_rulebook
from app.cohorts.database import CohortDatabase, database_of
from app.cohorts.errors import StoreError
from app.cohorts.intake.rows import IntakeError
from app.database.revision import HEAD
from app.database.schema import MigrationsMissingError, migrate
from app.security.audit.commands import commanded, record_read
from app.security.audit.refusals import CommandRefusedError
from app.security.audit.trail import AuditTrail
from app.security.sealing import seal_of
from app.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from app.cohorts.service import CohortService
    from app.security.receipts.model import Receipt

APPLICATION: Final = "app.main:app"
FACTORY: Final = "app.main:create_app"
_REFUSED: Final = 2
_DIFFERENT: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 found a difference, 2 refused)."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except (
        SettingsError,
        RulebookError,
        StoreError,
        MigrationsMissingError,
        IntakeError,
        CommandRefusedError,
    ) as exc:
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
    serve.add_argument("--migrate", action="store_true", help="first bring the database to this release's schema")
    serve.set_defaults(run=_serve)

    migration = commands.add_parser("migrate", help="make the database, or bring it to this release's schema")
    migration.set_defaults(run=_migrate)

    bring = commands.add_parser("import", help="create a cohort from a file, or add to one")
    bring.add_argument("file", type=Path, help="patient records as JSON, NDJSON or CSV")
    bring.add_argument("--name", help="name of the new cohort; a JSON file may name itself")
    bring.add_argument("--description", help="what the new cohort is")
    bring.add_argument("--cohort", metavar="ID", help="add to this cohort instead of creating one")
    bring.add_argument("--format", choices=("json", "ndjson", "csv"), help="by default as the file's name ends")
    bring.add_argument("--skip-errors", action="store_true", help="leave bad rows out instead of refusing all")
    bring.set_defaults(run=_import)

    give = commands.add_parser("export", help="write a cohort's records; they go back in unchanged")
    give.add_argument("cohort", metavar="ID", help="the cohort's id")
    give.add_argument("--format", choices=("ndjson", "csv"), default="ndjson", help="ndjson by default")
    give.add_argument("--output", type=Path, help="file to write; standard output by default")
    give.set_defaults(run=_export)

    tallies = commands.add_parser("tallies", help="look after kept counts").add_subparsers(
        required=True, metavar="action"
    )
    rebuild = tallies.add_parser(
        "rebuild", help="count the tallies anew from the patients, and say whether they differed"
    )
    rebuild.add_argument("--cohort", metavar="ID", help="one cohort; all by default")
    rebuild.set_defaults(run=_rebuild_tallies)

    _add_audit(commands)
    _add_receipt(commands)

    openapi = commands.add_parser("openapi", help="write the OpenAPI document as YAML")
    openapi.add_argument("--output", type=Path, help="file to write; standard output by default")
    openapi.add_argument("--check", type=Path, metavar="FILE", help="compare with a file; exit 1 when it differs")
    openapi.set_defaults(run=_openapi)

    reproduction = commands.add_parser("reproduction", help="write the study's printed numbers beside ours")
    reproduction.add_argument("--output", type=Path, help="file to write; standard output by default")
    reproduction.add_argument("--check", type=Path, metavar="FILE", help="compare with a file; exit 1 when it differs")
    reproduction.set_defaults(run=_reproduction)

    rules = commands.add_parser("rules", help="look at rule files").add_subparsers(required=True, metavar="action")
    check = rules.add_parser("check", help="validate a hospital's rules folder and say what it adds or overrides")
    check.add_argument("folder", nargs="?", type=Path, help="folder with *.toml (DEFERVESCE_RULES_DIR)")
    check.set_defaults(run=_check_rules)
    return parser


def _add_audit(commands: Any) -> None:  # noqa: ANN401  # argparse has no public name for it
    audit = commands.add_parser("audit", help="look after the audit trail").add_subparsers(
        required=True, metavar="action"
    )
    verify = audit.add_parser(
        "verify", help="find changed, removed and reordered rows; exit 1 when there are any, 2 when it cannot be told"
    )
    verify.add_argument("--tenant", help="one tenant's chain; all by default")
    verify.add_argument("--anchor", type=Path, metavar="FILE", help="also compare with what `audit anchor` wrote then")
    verify.add_argument("--public-key", type=Path, metavar="FILE", help="also trust this key for the heads' signatures")
    verify.set_defaults(run=_verify_audit)
    anchor = audit.add_parser("anchor", help="write the heads of the chains, to be kept outside the database")
    anchor.add_argument("--output", type=Path, help="file to write; standard output by default")
    anchor.set_defaults(run=_anchor_audit)


def _add_receipt(commands: Any) -> None:  # noqa: ANN401  # as above
    receipt = commands.add_parser("receipt", help="check receipts of answers").add_subparsers(
        required=True, metavar="action"
    )
    verify = receipt.add_parser(
        "verify", help="check a receipt without the service; exit 1 when it does not hold, 2 when it cannot be told"
    )
    verify.add_argument("file", type=Path, help="the receipt, as GET /v1/receipts/{receipt_id} shows it")
    verify.add_argument("--input", type=Path, metavar="FILE", help="the input as it was sent: answer it again")
    verify.add_argument("--answer", type=Path, metavar="FILE", help="the answer as it was given: say where it differs")
    verify.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="public key, or what GET /v1/receipts/keys answers; by default the keys of the settings and the database",
    )
    verify.set_defaults(run=_verify_receipt)
    rotate = receipt.add_parser(
        "rotate-key", help="draw a new key to sign by and forget the old one's private half; its public half stays"
    )
    rotate.set_defaults(run=_rotate_key)


def _serve(options: argparse.Namespace) -> int:
    """Check everything first, so that what is wrong is said once and without a traceback, then serve."""
    import uvicorn  # noqa: PLC0415  # the other commands need no server

    from app.api.logs import config  # noqa: PLC0415  # as above
    from app.api.server import DeadlineProtocol  # noqa: PLC0415  # as above

    settings = load_settings()
    if options.migrate and (refusal := _migrate_apart()):
        return refusal
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


def _migrate_apart() -> int:
    """Migrate in a process of its own: the service then carries none of what only a migration needs."""
    return subprocess.run([sys.executable, "-m", "app.cli", "migrate"], check=False).returncode  # our own command


def _migrate(__: argparse.Namespace) -> int:
    migrate(load_settings().database_url.get_secret_value())
    print(f"the database is at revision {HEAD}")
    try:
        with _cohorts("migrate") as (service, _):
            service.prepare()
    except (StoreError, RulebookError) as exc:
        print(f"defervesce: the built-in cohort is not made now, but when it is asked for: {exc}", file=sys.stderr)
    return 0


class _Opened(NamedTuple):
    """The settings' database, with what records what is done to it."""

    settings: Settings
    database: CohortDatabase
    trail: AuditTrail


@contextmanager
def _opened(operation: str) -> Iterator[_Opened]:
    """Open the settings' database for a command."""
    settings = load_settings()
    database = database_of(settings)
    trail = AuditTrail(database, seal_of(settings.signing_key_bytes))
    database.trail = trail.of_transaction
    try:
        with commanded(trail, operation):
            yield _Opened(settings, database, trail)
    finally:
        database.dispose()


@contextmanager
def _cohorts(operation: str) -> Iterator[tuple[CohortService, AuditTrail]]:
    """Open the cohorts of the settings' database."""
    from app.api.cohort_service import Cohorts  # noqa: PLC0415  # the other commands need none

    with _opened(operation) as (settings, database, trail):
        yield Cohorts(load_rulebook(settings.rules_dir), database).service, trail


def _import(options: argparse.Namespace) -> int:
    from app.cohorts.commands import Wanted, import_file  # noqa: PLC0415  # as above

    wanted = Wanted(
        options.file, options.name, options.description, options.cohort, options.format, skip=options.skip_errors
    )
    with _cohorts("import") as (service, _):
        import_file(service, wanted, sys.stdout, sys.stderr)
    return 0


def _export(options: argparse.Namespace) -> int:
    from app.cohorts.commands import export_cohort  # noqa: PLC0415  # as above

    with _cohorts("export") as (service, trail), ExitStack() as files:
        record_read(trail, service.find(options.cohort).id, {"format": options.format})
        output = files.enter_context(options.output.open("wb")) if options.output else sys.stdout.buffer
        export_cohort(service, options.cohort, options.format, output)
    return 0


def _rebuild_tallies(options: argparse.Namespace) -> int:
    with _opened("tallies rebuild") as (_, database, _):
        for cohort, differed in database.store.rebuild(options.cohort):
            print(f"{cohort.id}: {cohort.n} patients, tallies {'differed and were mended' if differed else 'agree'}")
    return 0


def _verify_audit(options: argparse.Namespace) -> int:
    from app.security.audit import anchor, commands  # noqa: PLC0415  # the other commands need none

    with _opened("audit verify") as (settings, database, trail):
        anchors = {} if options.anchor is None else anchor.read(_text_of(options.anchor))
        keys = _public_keys(options.public_key) | _own_public_key(settings)
        wanted = commands.Wanted(options.tenant, anchors, keys)
        return 0 if commands.verify(database, trail, wanted, sys.stdout) else _DIFFERENT


def _anchor_audit(options: argparse.Namespace) -> int:
    from app.security.audit.commands import write_anchor  # noqa: PLC0415  # as above

    with _opened("audit anchor") as (_, database, trail), ExitStack() as files:
        trail.take_in()
        output = files.enter_context(options.output.open("w")) if options.output else sys.stdout
        write_anchor(database, output)
    return 0


def _verify_receipt(options: argparse.Namespace) -> int:
    import json  # noqa: PLC0415  # as above

    from app.security.receipts import commands  # noqa: PLC0415  # as above

    receipt = commands.read_receipt(_text_of(options.file))
    try:
        answer = None if options.answer is None else json.loads(_text_of(options.answer))
    except json.JSONDecodeError:
        raise CommandRefusedError(f"{options.answer.name} is no JSON") from None
    if not commands.is_authentic(receipt, _public_keys(options.public_key) or _known_keys()):
        print(f"{receipt.id}: not authentic: no trusted key signed this", file=sys.stderr)
        return _DIFFERENT
    if options.input is None:
        print(f"{receipt.id}: authentic; name --input to hold an input against it")
        return 0
    return _hold_against(receipt, _text_of(options.input), answer)


def _hold_against(receipt: Receipt, sent: str, answer: object) -> int:
    """Answer a receipt's input again by the rules that are installed."""
    import asyncio  # noqa: PLC0415  # as above

    from app.api.problems import ProblemError  # noqa: PLC0415  # as above
    from app.security.receipts import commands  # noqa: PLC0415  # as above

    settings = load_settings()
    replaying = _load(FACTORY)(settings).replaying()
    try:
        found = asyncio.run(commands.held_against(receipt, sent.encode(), answer, replaying))
    except ProblemError as exc:
        places = ", ".join(f"{error.pointer or 'the body'} {error.code}" for error in exc.errors)
        raise CommandRefusedError(f"the input is refused: {places or exc.detail}") from None
    return 0 if commands.tell(found, sys.stdout) else _DIFFERENT


def _rotate_key(__: argparse.Namespace) -> int:
    from app.security.receipts.keeper import rotate  # noqa: PLC0415  # as above

    with _opened("receipt rotate-key") as (settings, database, trail):
        if settings.signing_key_bytes is not None:
            raise SettingsError("the key stands in the settings: change DEFERVESCE_SIGNING_KEY or its file instead")
        print(f"receipts are signed by key {rotate(database, trail)} from now on")
    return 0


def _known_keys() -> dict[str, str]:
    """Return the public keys of the settings and of their database."""
    from app.security.receipts.keeper import public_keys  # noqa: PLC0415  # as above

    with _opened("receipt verify") as (settings, database, _):
        return public_keys(database) | _own_public_key(settings)


def _own_public_key(settings: Settings) -> dict[str, str]:
    if settings.signing_key_bytes is None:
        return {}
    from app.security.receipts.signing import Signer  # noqa: PLC0415  # as above

    own = Signer(settings.signing_key_bytes)
    return {own.key_id: own.public}


def _public_keys(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    from app.security.receipts.signing import public_keys  # noqa: PLC0415  # as above

    try:
        return public_keys(_text_of(path))
    except ValueError:
        raise CommandRefusedError(f"{path.name} holds no Ed25519 public key") from None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise CommandRefusedError(f"{path.name} cannot be read") from None


def _reproduction(options: argparse.Namespace) -> int:
    from app.cohorts.study.reproduction import run  # noqa: PLC0415  # it loads the statistics

    return run(options)


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
