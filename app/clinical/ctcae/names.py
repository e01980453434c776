"""The full list of a version's names: what can be looked up although nothing grades it."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

from app.clinical.rulebook import RulebookError
from app.clinical.rulebook.ctcae_terms import NamesRule


class ListedName(NamedTuple):
    """One official name with its class (SOC) and the grades that exist."""

    slug: str
    name: str
    soc: str
    grades: tuple[int, ...]


def load_names(rule: NamesRule, folder: Path) -> dict[str, ListedName]:
    """Read the list beside the rule file; raises `RulebookError` when it is not the one the rule file was made with."""
    try:
        raw = (folder / rule.file).read_bytes()
    except OSError as error:
        raise RulebookError(f"{rule.file}: cannot be read: {error.strerror}") from error
    if hashlib.sha256(raw).hexdigest() != rule.sha256:
        raise RulebookError(f"{rule.file}: its SHA-256 is not the one that the rule file names")
    rows = csv.DictReader(raw.decode("utf-8").splitlines())
    names = {r["slug"]: ListedName(r["slug"], r["name"], r["soc"], tuple(map(int, r["grades"]))) for r in rows}
    if len(names) != rule.count:
        raise RulebookError(f"{rule.file}: holds {len(names)} names where the rule file counts {rule.count}")
    return names
