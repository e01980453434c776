"""Software of unknown provenance: what others wrote and the service runs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final, NamedTuple

import tomli

from app.safety.parts import SoupItem, SoupRecord

PROJECT: Final = "defervesce"
_LONGEST_LICENCE: Final = 60
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA: Final = re.compile(r";.*\bextra\s*==")


class Locked(NamedTuple):
    """One package as uv.lock fixes it: its versions (some differ by Python's), and what brings it."""

    versions: tuple[str, ...]
    brought_by: tuple[str, ...]


def locked(path: Path) -> dict[str, Locked]:
    """Return every package of production from a uv.lock, by name; direct ones are brought by nothing."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in tomli.loads(path.read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    roots = _needed(packages, PROJECT, frozenset())
    bringers: dict[str, set[str]] = {}
    for root in roots:
        for name in _below(packages, root):
            bringers.setdefault(name, set()).add(root[0])
    direct = {name for name, _ in roots}
    return {
        name: Locked(
            tuple(p["version"] for p in packages[name]),
            () if name in direct else tuple(sorted(bringers[name])),
        )
        for name in sorted(direct | bringers.keys())
    }


Named = tuple[str, frozenset[str]]


def _needed(packages: Mapping[str, list[dict[str, Any]]], name: str, extras: frozenset[str]) -> frozenset[Named]:
    """Return what a package needs, each with the extras asked for."""
    found = []
    for package in packages[name]:
        found += package.get("dependencies", ())
        found += [d for extra in extras for d in package.get("optional-dependencies", {}).get(extra, ())]
    return frozenset((d["name"], frozenset(d.get("extra", ()))) for d in found)


def _below(packages: Mapping[str, list[dict[str, Any]]], root: Named) -> Iterator[str]:
    """Yield everything that a direct dependency brings along."""
    seen, waiting = {root}, [root]
    while waiting:
        for one in _needed(packages, *waiting.pop()):
            if one not in seen:
                seen.add(one)
                waiting.append(one)
                yield one[0]


def installed(records: Mapping[str, SoupRecord]) -> tuple[SoupItem, ...]:
    """Return the packages that this process runs on, with what is known of them.

    Versions and licences are those of the installed packages. One that is recorded and not installed (it is for
    another platform) has no version.
    """
    bringers: dict[str, set[str]] = {}
    for root in records:
        for name in _closure([root]):
            bringers.setdefault(name, set()).add(root)
    return tuple(_soup(name, records.get(name), bringers[name]) for name in sorted(bringers))


def _soup(name: str, record: SoupRecord | None, bringers: set[str]) -> SoupItem:
    found = _distribution(name)
    stated = None if found is None else licence_of(found)
    return SoupItem(
        name=name,
        version=None if found is None else found.version,
        licence=stated or (None if record is None else record.licence),
        brought_by=() if record is not None else tuple(sorted(bringers)),
        record=record,
    )


def _closure(names: Iterable[str]) -> set[str]:
    seen = set(names)
    waiting = list(seen)
    while waiting:
        for name in _needed_of(waiting.pop()) - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def _needed_of(name: str) -> set[str]:
    """Name what an installed package needs and what is installed; what only an extra brings has its own record."""
    found = _distribution(name)
    wanted = [text for text in (found.requires if found else None) or () if not _EXTRA.search(text)]
    names = {_canonical(match.group()) for text in wanted if (match := _NAME.match(text))}
    return {n for n in names if _distribution(n) is not None}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licence_of(found: Distribution) -> str | None:
    """Return a package's licence as it states it: an expression, a short text, or a classifier."""
    about = found.metadata
    stated = next((about[key] for key in ("License-Expression", "License") if key in about), "")
    if stated and "\n" not in stated and len(stated) <= _LONGEST_LICENCE:
        return stated
    classified = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    return " or ".join(classified) or None
