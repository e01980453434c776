"""The service's settings, from the environment: one frozen object, checked whole at start.

A setting that is unknown, unreadable or unsafe stops the start with a sentence that names the variable. The value is
never repeated: a database URL holds a password.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.database.url_options import refused_options
from app.security.receipts.key_text import private_bytes
from app.statistics.disclosure_policy import NONE, Profile, parse_tenants

PREFIX: Final = "DEFERVESCE_"
# The test suite's own variables (a database to test against) are not the service's.
_TESTS: Final = "DEFERVESCE_TEST_"
_DATABASES: Final = re.compile(r"(sqlite(\+pysqlite)?|postgresql(\+psycopg)?)://")
_MEGABYTE: Final = 1_000_000
_RATE_LIMIT: Final = 6_000
_BOUNDS: Final = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


class SettingsError(Exception):
    """The environment does not make a service; the text says which variable, and what it may be."""


class Settings(BaseSettings):
    """Everything an operator may set. Each field is the variable DEFERVESCE_<FIELD>."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", description="Address that `defervesce serve` listens on")
    port: int = Field(default=8000, ge=1, le=65_535, description="Port that `defervesce serve` listens on")
    workers: int = Field(default=1, ge=1, le=64, description="Processes that `defervesce serve` starts")
    auth: Literal["auto", "required"] = Field(
        default="auto",
        description="Whether every caller needs a key or token: `required`, or `auto` (as soon as there is a key, a "
        "client or an issuer; until then this machine alone is answered)",
    )
    issuers: Path | None = Field(
        default=None, description="TOML file of the issuers whose bearer tokens are believed, and for what"
    )
    public_url: str | None = Field(
        default=None,
        description="Address under which clients call, such as https://defervesce.example.org: the token endpoint's",
    )
    rules_dir: Path | None = Field(
        default=None, description="Folder of a hospital's own rule files (TOML), added to or overriding ours"
    )
    database_url: SecretStr = Field(
        default=SecretStr("sqlite:///defervesce.db"),
        description="Where cohorts are kept: sqlite:///file.db (a relative path starts at the working folder) or "
        "postgresql://user:password@host/database",
    )
    database_pool_size: int = Field(default=10, ge=1, le=100, description="Most database connections of one process")
    database_timeout_seconds: float = Field(
        default=5,
        ge=0.1,
        le=60,
        description="How long to wait for the database: to connect, for a free connection, for another change",
    )
    max_body_mb: float = Field(
        default=80,
        ge=1,
        le=1_000,
        description="Largest body of a bulk operation in MB (1,000,000 bytes); single records: 1 MB",
    )
    max_import_mb: float = Field(
        default=4_000,
        ge=1,
        le=1_000_000,
        description="Largest import of patients in MB; it is read in pieces and never held whole",
    )
    max_batch_items: int = Field(default=1_000_000, ge=1, le=10_000_000, description="Most items in one batch")
    heavy_workers: int = Field(
        default=2, ge=1, le=64, description="Heavy calls (analyses, reports, statistics, batches) worked on at once"
    )
    heavy_queue: int = Field(
        default=16, ge=0, le=1_000, description="Heavy calls that may wait; one more is answered with 503"
    )
    request_timeout_seconds: float = Field(
        default=60, ge=0.1, le=3_600, description="How long a heavy call may wait and work before it is given up: 503"
    )
    rate_limit: int | None = Field(
        default=None,
        ge=0,
        le=100_000_000,
        description="Requests a minute that one caller may send, 0 for any number. By default any number on loopback, "
        "6000 on another address",
    )
    max_connections: int = Field(
        default=1_000, ge=1, le=100_000, description="Most connections of one process; one more is answered with 503"
    )
    send_timeout_seconds: float = Field(
        default=30,
        gt=0,
        le=600,
        description="How long a client may take to read an answer, plus a second for every 100 kB of it",
    )
    drain_seconds: float = Field(
        default=1, ge=0, le=300, description="How long `defervesce serve` goes on answering once it is told to stop"
    )
    shutdown_seconds: float = Field(
        default=20, ge=1, le=3_600, description="How long it then waits for what is under way before it cuts it short"
    )
    otel_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@?#]+$",
        description="Where spans are sent by OTLP over HTTP, such as http://collector:4318/v1/traces; needs the extra "
        "`otel`",
    )
    receive_timeout_seconds: float = Field(
        default=30, gt=0, le=600, description="How long a body may take, plus a second for every 100 kB received"
    )
    keep_alive_seconds: int = Field(
        default=5, ge=1, le=600, description="How long `defervesce serve` keeps an idle connection"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Browser origins that may call, divided by commas, such as https://ehr.example.org"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe line to log; from `warning` on, requests are not logged one by one"
    )
    log_format: Literal["json", "text"] = Field(default="json", description="How log lines are written")
    disclosure: Profile = Field(
        default=NONE,
        description="Disclosure profile that small numbers are withheld by, of every tenant without one of its own",
    )
    disclosure_tenants: Annotated[Mapping[str, Profile], NoDecode] = Field(
        default_factory=dict,
        description="Disclosure profiles of single tenants, such as tenant-a=cms,tenant-b=opensafely",
    )
    audit: Literal["cohorts", "everything"] = Field(
        default="cohorts",
        description="What is recorded in the audit trail: whatever touches something kept, or the calculators, too",
    )
    signing_key: SecretStr | None = Field(
        default=None, description="Ed25519 private key that signs receipts and the audit trail, as PEM or base64"
    )
    signing_key_file: Path | None = Field(default=None, description="File that holds the signing key")
    git_sha: str | None = Field(
        default=None,
        pattern=r"^([0-9a-f]{7,40}|unknown)$",
        description="Commit of this build (hexadecimal, or `unknown`), set when an image is made",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _divide(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _explicit(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _is_origin(origin):
                raise ValueError(
                    "must be origins such as https://ehr.example.org, divided by commas: scheme and host, no path, no "
                    "wildcard; plain http only for this machine (localhost)"
                )
        return origins

    @field_validator("disclosure_tenants", mode="before")
    @classmethod
    def _by_tenant(cls, value: object) -> object:
        return parse_tenants(filter(None, value.split(","))) if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: SecretStr) -> SecretStr:
        if not _is_database(url.get_secret_value()):
            raise ValueError("must be a URL that starts with sqlite:// or postgresql://")
        if refusal := refused_options(url.get_secret_value()):
            raise ValueError(refusal)
        return url

    @field_validator("rules_dir")
    @classmethod
    def _folder(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_dir():
            raise ValueError("must be an existing folder that this service can read")
        return path

    @field_validator("issuers")
    @classmethod
    def _file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError("must be an existing file that this service can read")
        return path

    @field_validator("public_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None and not _is_origin(url.rstrip("/")):
            raise ValueError("must be an address such as https://defervesce.example.org, without a path")
        return url

    @field_validator("signing_key")
    @classmethod
    def _key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            private_bytes(key.get_secret_value())
        return key

    @field_validator("signing_key_file")
    @classmethod
    def _key_file(cls, path: Path | None) -> Path | None:
        if path is not None:
            _key_in(path)
        return path

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.signing_key is not None and self.signing_key_file is not None:
            raise ValueError("set DEFERVESCE_SIGNING_KEY or DEFERVESCE_SIGNING_KEY_FILE, not both")
        return self

    @model_validator(mode="after")
    def _safe_together(self) -> Self:
        url = self.database_url.get_secret_value()
        if self.workers > 1 and url.startswith("sqlite") and (":memory:" in url or url.rstrip("/").endswith(":")):
            raise ValueError(
                "DEFERVESCE_WORKERS above 1 with an in-memory SQLite database: each process would keep its own data"
            )
        return self

    @property
    def signing_key_bytes(self) -> bytes | None:
        """Return the 32 bytes of the signing key; None when there is none."""
        if self.signing_key_file is not None:
            return _key_in(self.signing_key_file)
        return None if self.signing_key is None else private_bytes(self.signing_key.get_secret_value())

    @property
    def body_bytes(self) -> int:
        """Return the largest body in bytes."""
        return int(self.max_body_mb * _MEGABYTE)

    @property
    def import_bytes(self) -> int:
        """Return the largest import of patients in bytes."""
        return int(self.max_import_mb * _MEGABYTE)

    @property
    def requests_per_minute(self) -> int:
        """Return how many requests a minute one caller may send; 0 stands for any number."""
        if self.rate_limit is not None:
            return self.rate_limit
        return 0 if _is_local(self.host) else _RATE_LIMIT

    @property
    def record_bytes(self) -> int:
        """Return the largest body of a single-record operation in bytes."""
        return min(_MEGABYTE, self.body_bytes)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings, or raise SettingsError with every reason."""
    unknown = _unknown(os.environ if environ is None else environ)
    try:
        settings = Settings() if environ is None else _from(environ)
    except ValidationError as exc:
        raise SettingsError("\n".join([*unknown, *map(_sentence, exc.errors(include_input=False))])) from None
    if unknown:
        raise SettingsError("\n".join(unknown))
    return settings


def _from(environ: Mapping[str, str]) -> Settings:
    """Read the settings from a mapping instead of the process's environment."""
    names = {PREFIX + name.upper(): name for name in Settings.model_fields}
    return Settings.model_validate({names[key.upper()]: v for key, v in environ.items() if key.upper() in names and v})


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = sorted(PREFIX + name.upper() for name in Settings.model_fields)
    found = []
    for name in sorted(environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not upper.startswith(_TESTS):
            near = difflib.get_close_matches(upper.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in known], n=2)
            hint = (
                f"Did you mean {' or '.join(PREFIX + n for n in near)}?" if near else f"Known are {', '.join(known)}."
            )
            found.append(f"{name} is not a setting. {hint}")
    return found


def _sentence(error: ErrorDetails) -> str:
    """Say which variable is wrong and what it may be, without its value."""
    ctx: dict[str, Any] = error.get("ctx") or {}
    if not error["loc"]:
        return str(ctx.get("error", error["msg"]))
    name = str(error["loc"][0])
    field = Settings.model_fields[name]
    reason = str(ctx["error"]) if "error" in ctx else _reason(error["type"], ctx)
    return f"{PREFIX}{name.upper()} {reason} ({field.description})."


def _reason(kind: str, ctx: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        return f"must be {ctx['expected']}"
    bounds = [f"{words} {ctx[key]:g}" for key, words in _BOUNDS.items() if key in ctx]
    if bounds:
        return f"must be {' and '.join(bounds)}"
    if kind.startswith(("int", "float")):
        return "must be a number"
    return "is not written as expected"


def _key_in(path: Path) -> bytes:
    """Read the signing key from its file; ValueError when it cannot be read or is none."""
    try:
        return private_bytes(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ValueError("must be a file with an Ed25519 private key that this service can read") from None


def _is_database(url: str) -> bool:
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return bool(_DATABASES.match(url))


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    plain = host and text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc and "*" not in text
    return bool(plain) and (parts.scheme == "https" or (parts.scheme == "http" and _is_local(host or "")))


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
