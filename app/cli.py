"""The command line: `serve`, `migrate`, `keys`, `clients`, `import`, `export`, `backup`, `audit`, `receipt` ...

The application is named to the server, and looked up here, by its import string: the command line stands beside
`app.main`, not on it.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.api.extras import TracingMissingError
from app.clinical.rulebook import Rulebook, RulebookError, load_rulebook
from app.cohorts.errors import StoreError
from app.cohorts.intake.rows import IntakeError
from app.database.revision import HEAD
from app.database.schema import MigrationsMissingError, migrate
from app.database.tenants import DEFAULT_TENANT
from app.recording_cli import add_recording, opened
from app.security.audit.commands import record_done, record_read
from app.security.audit.refusals import CommandRefusedError
from app.security.audit.trail import AuditTrail
from app.security.caller import NOBODY, Caller
from app.security.commands import CallerCommands, add_parsers, tenant_of
from app.security.errors import CallerCommandError, IssuersError
from app.security.exposure import NO_CALLERS, refusals
from app.security.issuers import load_issuers
from app.security.store.presence import has_callers
from app.settings import PREFIX, Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from app.cohorts.service import CohortService
    from app.security.store.callers import CallerStore

APPLICATION: Final = "app.main:app"
FACTORY: Final = "app.main:create_app"
_REFUSED: Final = 2
_DIFFERENT: Final = 1
_NOT_STARTED: Final = 3
# As a shell tells of a program that SIGPIPE ended.
_UNREAD: Final = 141


_PUBLIC_ERRORS: Final = (
    SettingsError,
    IssuersError,
    RulebookError,
    StoreError,
    MigrationsMissingError,
    IntakeError,
    CallerCommandError,
    CommandRefusedError,
    TracingMissingError,
)
_LOOK_SECONDS: Final = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 found a difference, 2 refused, 141 its output was not read)."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read this has gone (`| head`). What the interpreter flushes at its end must find somebody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNREAD
    except _PUBLIC_ERRORS as exc:
        print(f"defervesce: {exc}", file=sys.stderr)
        return _REFUSED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="defervesce", description="MIS-C phenotype, anakinra and CTCAE over HTTP")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_service(commands)
    add_parsers(commands, CallerCommands(_callers, sys.stdout, sys.stderr))
    _add_cohorts(commands)
    _add_database(commands)
    add_recording(commands)
    _add_documents(commands)
    return parser


def _add_service(commands: Any) -> None:  # noqa: ANN401  # argparse has no public name for it
    serve = commands.add_parser("serve", help="start the service")
    serve.add_argument("--host", help="address to listen on (DEFERVESCE_HOST; 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (DEFERVESCE_PORT; 8000)")
    serve.add_argument("--workers", type=int, help="number of processes (DEFERVESCE_WORKERS; 1)")
    serve.add_argument("--migrate", action="store_true", help="first bring the database to this release's schema")
    serve.set_defaults(run=_serve)

    migration = commands.add_parser("migrate", help="make the database, or bring it to this release's schema")
    migration.set_defaults(run=_migrate)


def _add_cohorts(commands: Any) -> None:  # noqa: ANN401  # as above
    bring = commands.add_parser("import", help="create a cohort from a file, or add to one")
    bring.add_argument("file", type=Path, help="patient records as JSON, NDJSON or CSV")
    bring.add_argument("--name", help="name of the new cohort; a JSON file may name itself")
    bring.add_argument("--description", help="what the new cohort is")
    bring.add_argument("--cohort", metavar="ID", help="add to this cohort instead of creating one")
    bring.add_argument("--format", choices=("json", "ndjson", "csv"), help="by default as the file's name ends")
    bring.add_argument("--skip-errors", action="store_true", help="leave bad rows out instead of refusing all")
    bring.add_argument("--tenant", default=DEFAULT_TENANT, help=f"whose cohort it is; {DEFAULT_TENANT} by default")
    bring.set_defaults(run=_import)

    give = commands.add_parser("export", help="write a cohort's records; they go back in unchanged")
    give.add_argument("cohort", metavar="ID", help="the cohort's id")
    give.add_argument("--format", choices=("ndjson", "csv"), default="ndjson", help="ndjson by default")
    give.add_argument("--output", type=Path, help="file to write; standard output by default")
    give.add_argument("--tenant", default=DEFAULT_TENANT, help=f"whose cohort it is; {DEFAULT_TENANT} by default")
    give.set_defaults(run=_export)


def _add_database(commands: Any) -> None:  # noqa: ANN401  # as above
    backup = commands.add_parser("backup", help="write all that the database holds into a file, while it is in use")
    backup.add_argument("file", type=Path, help="file to write: a database file of SQLite, a ZIP of PostgreSQL")
    backup.add_argument("--force", action="store_true", help="replace a file that is there")
    backup.set_defaults(run=_backup)

    bring_back = commands.add_parser("restore", help="put a backup in the place of all that the database holds")
    bring_back.add_argument(
        "file", type=Path, help="a file that `defervesce backup` wrote for the same kind of database"
    )
    bring_back.add_argument("--force", action="store_true", help="replace a database that holds cohorts")
    bring_back.set_defaults(run=_restore)

    tallies = commands.add_parser("tallies", help="look after kept counts").add_subparsers(
        required=True, metavar="action"
    )
    rebuild = tallies.add_parser(
        "rebuild", help="count the tallies anew from the patients, and say whether they differed"
    )
    rebuild.add_argument("--cohort", metavar="ID", help="one cohort; all, of every tenant, by default")
    rebuild.add_argument("--tenant", default=DEFAULT_TENANT, help=f"whose cohort it is; {DEFAULT_TENANT} by default")
    rebuild.set_defaults(run=_rebuild_tallies)


def _add_documents(commands: Any) -> None:  # noqa: ANN401  # as above
    openapi = commands.add_parser("openapi", help="write the OpenAPI document as YAML")
    openapi.add_argument("--output", type=Path, help="file to write; standard output by default")
    openapi.add_argument("--check", type=Path, metavar="FILE", help="compare with a file; exit 1 when it differs")
    openapi.set_defaults(run=_openapi)

    reproduction = commands.add_parser("reproduction", help="write the study's printed numbers beside ours")
    reproduction.add_argument("--output", type=Path, help="file to write; standard output by default")
    reproduction.add_argument("--check", type=Path, metavar="FILE", help="compare with a file; exit 1 when it differs")
    reproduction.set_defaults(run=_reproduction)

    safety = commands.add_parser("safety", help="the pages of the safety case")
    safety.add_argument("action", choices=("write", "check"), help="write them; or exit 1 when they differ")
    safety.add_argument("--folder", type=Path, default=Path("docs/safety"), help="docs/safety by default")
    safety.add_argument("--lock", type=Path, default=Path("uv.lock"), help="uv.lock by default")
    safety.set_defaults(run=_safety)

    rules = commands.add_parser("rules", help="look at rule files").add_subparsers(required=True, metavar="action")
    check = rules.add_parser("check", help="validate a hospital's rules folder and say what it adds or overrides")
    check.add_argument("folder", nargs="?", type=Path, help="folder with *.toml (DEFERVESCE_RULES_DIR)")
    check.set_defaults(run=_check_rules)


def _serve(options: argparse.Namespace) -> int:
    """Check everything first, so that what is wrong is said once and without a traceback, then serve."""
    from app.api import server  # noqa: PLC0415  # the other commands need no server
    from app.api.logs import config  # noqa: PLC0415  # as above

    _put_into_environment(host=options.host, port=options.port, workers=options.workers)
    settings = load_settings()
    if options.migrate and (refusal := _migrate_apart()):
        return refusal
    if not _may_listen(settings, settings.host):
        return _REFUSED
    if settings.workers > 1:
        _load(FACTORY)(settings)
    started = server.run(
        APPLICATION,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_config=config(level=settings.log_level, as_json=settings.log_format == "json"),
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_seconds),
        drain_seconds=settings.drain_seconds,
        send_seconds=settings.send_timeout_seconds,
        most_connections=settings.max_connections,
    )
    return 0 if started else _NOT_STARTED


def _put_into_environment(**given: str | int | None) -> None:
    """Put what the command line names where the settings are read: by this process, and by those it starts."""
    for name, value in given.items():
        if value is not None:
            variable = PREFIX + name.upper()
            # The settings take a name in any case, and the last of two.
            for other in [other for other in os.environ if other.upper() == variable]:
                del os.environ[other]
            os.environ[variable] = str(value)


def _may_listen(settings: Settings, host: str) -> bool:
    """Say why not, if the service may not listen at an address; and say when nobody but this machine is answered."""
    url = settings.database_url.get_secret_value()
    demands = settings.auth == "required" or bool(load_issuers(settings.issuers))
    found = has_callers(url, _LOOK_SECONDS)
    reasons = refusals(host, demands_callers=demands, has_callers=found, database_url=url)
    for reason in reasons:
        print(f"defervesce: {reason}", file=sys.stderr)
    if not reasons and not demands and found is False:
        print(f"defervesce: {NO_CALLERS}", file=sys.stderr)
    elif not reasons and demands and not settings.issuers and found is False:
        print("defervesce: nobody can call yet; `defervesce keys create` makes a key", file=sys.stderr)
    return not reasons


@contextmanager
def _callers() -> Iterator[CallerStore]:
    """Open the keys and clients of the settings' database."""
    from app.security.store.callers import CallerStore  # noqa: PLC0415  # it loads SQLAlchemy

    settings = load_settings()
    if ":memory:" in (url := settings.database_url.get_secret_value()) or url.endswith("//"):
        raise SettingsError("DEFERVESCE_DATABASE_URL names a database in memory, which would forget the key at once")
    with opened("callers") as (_, database, trail):
        yield CallerStore(database.engine, trail=trail.of_transaction)


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


@contextmanager
def _cohorts(operation: str, tenant: str = NOBODY.tenant) -> Iterator[tuple[CohortService, AuditTrail]]:
    """Open a tenant's cohorts in the settings' database; of nobody those that are built in."""
    from app.api.cohort_service import Cohorts  # noqa: PLC0415  # the other commands need none

    with opened(operation, tenant or DEFAULT_TENANT) as (settings, database, trail):
        cohorts = Cohorts(load_rulebook(settings.rules_dir), database)
        yield cohorts.of(Caller("command line", tenant, frozenset())), trail


def _import(options: argparse.Namespace) -> int:
    from app.cohorts.commands import Wanted, import_file  # noqa: PLC0415  # as above

    wanted = Wanted(
        options.file, options.name, options.description, options.cohort, options.format, skip=options.skip_errors
    )
    with _cohorts("import", tenant_of(options.tenant)) as (service, _):
        import_file(service, wanted, sys.stdout, sys.stderr)
    return 0


def _export(options: argparse.Namespace) -> int:
    from app.cohorts.commands import export_cohort, private_file  # noqa: PLC0415  # as above

    with _cohorts("export", tenant_of(options.tenant)) as (service, trail), ExitStack() as files:
        record_read(trail, service.find(options.cohort).id, {"format": options.format})
        output = files.enter_context(private_file(options.output)) if options.output else sys.stdout.buffer
        export_cohort(service, options.cohort, options.format, output)
    return 0


def _backup(options: argparse.Namespace) -> int:
    from app.database.backup import back_up  # noqa: PLC0415  # it loads the drivers

    with opened("backup") as (settings, _, trail):
        # Before it is made, so that the backup tells of itself; a database that takes no writes is copied all the same.
        with suppress(StoreError):
            record_done(trail, "database.backup")
        contents = back_up(settings.database_url.get_secret_value(), options.file, force=options.force)
    print(f"{options.file}: {contents}")
    return 0


def _restore(options: argparse.Namespace) -> int:
    """Restore, then count the tallies anew: what analyses are made of must be what the patients are."""
    from app.database.backup import restore  # noqa: PLC0415  # as above

    settings = load_settings()
    contents = restore(settings.database_url.get_secret_value(), options.file, force=options.force)
    with opened("restore") as (_, _, trail):
        record_done(trail, "database.restore", {"cohorts": contents.rows.get("cohorts", 0)})
    print(f"restored {options.file}: {contents}; the database is at revision {HEAD}")
    if credentials := sum(contents.rows.get(table, 0) for table in ("api_keys", "clients")):
        message = (
            f"{credentials} keys and clients are as they were at the backup: what was revoked since is valid again"
        )
        print(f"defervesce: {message}; look at `keys list` and `clients list`", file=sys.stderr)
    return _rebuild_tallies(argparse.Namespace(cohort=None, tenant=DEFAULT_TENANT), differing=_DIFFERENT)


def _rebuild_tallies(options: argparse.Namespace, differing: int = 0) -> int:
    """Count anew; `differing` is the exit code when some tallies had to be mended."""
    code, mended, cohorts = 0, 0, 0
    with opened("tallies rebuild", options.tenant) as (_, database, trail):
        for cohort, differed in database.store.of(options.tenant).rebuild(options.cohort):
            print(f"{cohort.id}: {cohort.n} patients, tallies {'differed and were mended' if differed else 'agree'}")
            code, mended, cohorts = differing if differed else code, mended + differed, cohorts + 1
        record_done(trail, "tallies.rebuild", {"cohorts": cohorts, "mended": mended})
    return code


def _reproduction(options: argparse.Namespace) -> int:
    from app.cohorts.study.reproduction import run  # noqa: PLC0415  # it loads the statistics

    return run(options)


def _safety(options: argparse.Namespace) -> int:
    from app.safety.commands import run  # noqa: PLC0415  # the other commands need no safety case

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
