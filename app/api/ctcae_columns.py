"""Columns in, columns out: decoded in pieces, so that no call holds the interpreter for long, graded by numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.api.messages import step, unknown_field
from app.api.problems import ProblemError
from app.api.strict_json import check_json
from app.clinical.ctcae.bulk.columns import Columns, Judgements, judge_columns
from app.clinical.ctcae.bulk.names import Named, Placed, numbered, place_names
from app.clinical.ctcae.bulk.truth import UNKNOWN
from app.clinical.ctcae.conditions import NUMBERS
from app.clinical.ctcae.grades import SETS_OF_GRADES, decided, listed
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.scales import NOTHING
from app.clinical.ctcae.terms import Version
from app.clinical.refusal import InputError, RefusedInputError

PIECE: Final = 64_000
_LISTED: Final = 20
_TERM, _UNIT, _VALUE = "term", "unit", "value"
_NEEDED: Final = (_TERM, _VALUE)
_ABSENT: Final = msgspec.Raw(b"null")
_texts = msgspec.json.Decoder(list[str | None])
_numbers = msgspec.json.Decoder(list[float | None])
_floats = msgspec.json.Decoder(list[float])
_booleans = msgspec.json.Decoder(list[bool | None])
_anything = msgspec.json.Decoder(list[Any])
_FACT: Final = {True: 1, False: 0, None: UNKNOWN}
# Words of equal width, filled up with NUL, which is taken out again once they stand one after the other.
_GRADES: Final = np.array([b"null," if (g := decided(b)) is None else b"%d," % g for b in range(SETS_OF_GRADES)])
_SETS: Final = np.array([msgspec.json.encode(listed(b)) + b"," for b in range(SETS_OF_GRADES)])
# Stands for null while a column of numbers is decoded; where a number of its size was sent, nulls are decoded as such.
_NULL: Final = -0.03125
_WRITTEN_NULL: Final = b"-0.03125"

Faults = dict[int, tuple[InputError, ...]]


class Column(NamedTuple):
    """One decoded column, and the rows that hold something else than the column is of."""

    items: Any
    size: int
    faults: dict[int, InputError]


class Graded(NamedTuple):
    """Every row's judgement, its names' placement, and what was refused by row."""

    judged: Judgements
    placed: Placed
    faults: Faults


def answer_columns(
    grader: Grader, version: Version, sent: Mapping[str, msgspec.Raw], *, override: bool, most: int
) -> Iterator[bytes]:
    """Grade columns and yield the answer in pieces; raises `RefusedInputError` where the columns do not fit."""
    columns = _decoded(grader, version, sent, most)
    graded = _graded(grader, version, columns, override=override)
    return _written(version, graded)


def fact_names(grader: Grader) -> frozenset[str]:
    """Name the facts that may come as columns, of whichever version."""
    return frozenset().union(*(v.laboratory_facts for v in grader.versions.all.values()))


def _decoded(grader: Grader, version: Version, sent: Mapping[str, msgspec.Raw], most: int) -> dict[str, Column]:
    facts = fact_names(grader)
    known = {_TERM, _UNIT, *NUMBERS, *facts}
    strange = islice((name for name in sent if name not in known), _LISTED)
    errors = [unknown_field(name, f"/columns{step(name)}", known) for name in strange]
    errors += [_missing(name) for name in _NEEDED if name not in sent]
    if errors:
        raise RefusedInputError(*errors)
    columns = {_TERM: _text_column(_TERM, sent[_TERM])}
    size = columns[_TERM].size
    _refuse_size(size, most)
    for name, raw in sent.items():
        if name != _TERM and (name in _NEEDED or raw != _ABSENT):
            columns[name] = _column(name, raw, is_fact=name in facts)
    for name in facts.intersection(columns) - version.laboratory_facts:
        columns[name] = _foreign(name, columns[name], version)
    odd = [name for name, column in columns.items() if column.size != size]
    if odd:
        raise RefusedInputError(*(_length(name, size) for name in odd))
    return columns


def _refuse_size(size: int, most: int) -> None:
    if not size:
        raise RefusedInputError(
            InputError("/columns/term", "batch_empty", "The batch is empty; send at least one row.")
        )
    if size > most:
        raise RefusedInputError(too_many("/columns/term", most))


def too_many(pointer: str, most: int) -> InputError:
    """Refuse a batch that is too long."""
    return InputError(pointer, "batch_too_large", f"A batch holds at most {most} items; divide it.", (str(most),))


def _missing(name: str) -> InputError:
    return InputError(f"/columns/{name}", "field_missing", f"The column {name} is required.")


def _length(name: str, size: int) -> InputError:
    message = f"The column {name} must have as many items as the column term ({size})."
    return InputError(f"/columns/{name}", "column_length", message)


def _column(name: str, raw: msgspec.Raw, *, is_fact: bool) -> Column:
    if name == _UNIT:
        return _text_column(name, raw)
    return _fact_column(name, raw) if is_fact else _number_column(name, raw)


def _text_column(name: str, raw: msgspec.Raw) -> Column:
    found: list[str | None] = []
    try:
        for piece in _pieces(bytes(raw)):
            found += _texts.decode(piece)
    except msgspec.MsgspecError:
        return _mended(name, raw, lambda v: v is None or isinstance(v, str), "not_a_string", "text")
    return Column(found, len(found), {})


def _number_column(name: str, raw: msgspec.Raw) -> Column:
    try:
        found = [_numbers_of(piece) for piece in _pieces(bytes(raw), has_text=False)]
    except (msgspec.MsgspecError, OverflowError):
        column = _mended(name, raw, _is_number, "not_a_number", "a number")
        return column._replace(items=np.array(column.items, np.float64))
    items = np.concatenate(found)
    return Column(items, len(items), {})


def _numbers_of(piece: bytes) -> NDArray[np.float64]:
    nulls = piece.count(b"null")
    sent = _floats.decode(piece.replace(b"null", _WRITTEN_NULL) if nulls else piece)
    found = np.fromiter(sent, np.float64, len(sent))
    if not nulls:
        return found
    absent = found == _NULL
    if np.count_nonzero(absent) != nulls:
        return np.array(_numbers.decode(piece), np.float64)
    found[absent] = np.nan
    return found


def _fact_column(name: str, raw: msgspec.Raw) -> Column:
    found: list[bool | None] = []
    try:
        for piece in _pieces(bytes(raw)):
            found += _booleans.decode(piece)
    except msgspec.MsgspecError:
        column = _mended(name, raw, lambda v: v is None or isinstance(v, bool), "not_a_boolean", "true or false")
        found, faults = column.items, column.faults
    else:
        faults = {}
    return Column(np.fromiter(map(_FACT.__getitem__, found), np.int8, len(found)), len(found), faults)


def _foreign(name: str, column: Column, version: Version) -> Column:
    """Refuse the rows that state a fact which this version does not ask for: it must not look as if it had counted."""
    message = f"No laboratory term of version {version.version} is graded by this field."
    error = InputError(f"/{name}", "field_not_of_term", message)
    stated = np.flatnonzero(column.items != UNKNOWN).tolist()
    nothing = np.full(column.size, UNKNOWN, np.int8)
    return Column(nothing, column.size, column.faults | dict.fromkeys(stated, error))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _mended(name: str, raw: msgspec.Raw, fits: Callable[[Any], bool], code: str, what: str) -> Column:
    """Decode a column that holds something wrong: those rows become unknown, and are refused one by one."""
    if not bytes(raw).lstrip().startswith(b"["):
        raise RefusedInputError(InputError(f"/columns/{name}", "not_a_list", f"The column {name} must be a list."))
    items = _strictly(name, bytes(raw))
    faults = {
        row: InputError(f"/{name}", code, f"{name} must be {what}, or null.")
        for row, value in enumerate(items)
        if not fits(value)
    }
    return Column([None if row in faults else value for row, value in enumerate(items)], len(items), faults)


def _strictly(name: str, raw: bytes) -> list[Any]:
    """Decode a list of anything, or refuse the items that strict JSON does not know, such as 1e400."""
    try:
        check_json(raw)
    except ProblemError as problem:
        raise RefusedInputError(*problem.errors).under(f"/columns/{name}") if problem.errors else problem from None
    return _anything.decode(raw)


def _pieces(raw: bytes, *, has_text: bool = True) -> Iterator[bytes]:
    """Cut a JSON list at commas between its items into lists of some kilobytes each.

    In a column of text a comma is between items where an even number of quotes lies before it; one with a backslash is
    not cut. A column of numbers is cut at any comma: if there is text in it after all, the pieces cannot be decoded.
    """
    inner = raw.strip()[1:-1]
    if not raw.lstrip().startswith(b"[") or (has_text and b"\\" in inner):
        yield raw
        return
    start = 0
    while (end := _cut(inner, start, has_text=has_text)) >= 0:
        yield b"[%b]" % inner[start:end]
        start = end + 1
    yield b"[%b]" % inner[start:]


def _cut(inner: bytes, start: int, *, has_text: bool) -> int:
    """Return the place of a comma between items some kilobytes on, or -1."""
    end = inner.find(b",", start + PIECE)
    while has_text and end >= 0 and inner.count(b'"', start, end) % 2:
        quote = inner.find(b'"', end)
        end = inner.find(b",", quote) if quote >= 0 else -1
    return end


def _graded(grader: Grader, version: Version, columns: Mapping[str, Column], *, override: bool) -> Graded:
    size = columns[_TERM].size
    units = columns.get(_UNIT)
    terms = numbered(columns[_TERM].items)
    named = numbered(units.items) if units else Named(np.zeros(size, np.int32), (None,))
    placed = place_names(grader, version, terms, named)
    faults: Faults = {}
    for column in columns.values():
        for row, error in column.faults.items():
            faults[row] = (*faults.get(row, ()), error)
    if faults:
        placed.place[list(faults)] = UNKNOWN
    facts = {n: c.items for n, c in columns.items() if n not in {_TERM, _UNIT, *NUMBERS}}
    numbers = [columns[n].items if n in columns else None for n in NUMBERS]
    judged = judge_columns(Columns(placed.place, placed.placements, numbers, facts), override=override)
    _settle_unplaced(judged, placed, faults)
    return Graded(judged, placed, faults | judged.refused)


def _settle_unplaced(judged: Judgements, placed: Placed, faults: Faults) -> None:
    """Refuse the rows whose names mean nothing, and leave everything open for those that lack a unit."""
    for number, kind in enumerate(placed.kinds):
        if kind.placement is None:
            rows = np.flatnonzero(placed.kind == number)
            if kind.term is not None:
                judged.possible[rows] = kind.term.reachable
            else:
                faults.update({row: kind.errors for row in rows.tolist() if row not in faults})
    judged.possible[list(faults)] = 0


def _written(version: Version, graded: Graded) -> Iterator[bytes]:
    possible = graded.judged.possible
    yield b'{"version":' + msgspec.json.encode(version.version) + b',"grade":['
    yield from _joined(_GRADES, possible)
    yield b'],"possible_grades":['
    yield from _joined(_SETS, possible)
    yield b'],"problems":' + msgspec.json.encode({str(r): said(e) for r, e in sorted(graded.faults.items())})
    yield b',"warnings":' + msgspec.json.encode(_warnings(graded))
    yield b',"rules":' + version.provenance.model_dump_json().encode() + b"}"


def _joined(words: NDArray[np.bytes_], possible: NDArray[np.uint8]) -> Iterator[bytes]:
    for start in range(0, len(possible), PIECE):
        written = words[possible[start : start + PIECE]].tobytes().translate(None, b"\0")
        yield written if start + PIECE < len(possible) else written[:-1]


def said(errors: Iterable[InputError]) -> str:
    """Write what is wrong with a row in one text: field, code, message, and what is allowed."""
    return " ".join(f"{e.pointer} ({e.code}): {e.message}{_allowed(e)}" for e in errors)


def _allowed(error: InputError) -> str:
    return f" Allowed: {', '.join(error.allowed)}." if error.allowed else ""


def _warnings(graded: Graded) -> dict[str, list[int]]:
    """Return the rows of each warning, by its code."""
    judged, placed = graded.judged, graded.placed
    found: dict[str, set[int]] = {}
    found.setdefault("value_unusual", set()).update(np.flatnonzero(judged.unusual).tolist())
    for row, cautions in judged.cautions.items():
        for caution in cautions:
            found.setdefault(caution.code, set()).add(row)
    for number, kind in enumerate(placed.kinds):
        if kind.caution is not None:
            found.setdefault(kind.caution.code, set()).update(np.flatnonzero(placed.kind == number).tolist())
    _add_assumed(found, graded)
    _add_gaps(found, graded)
    return {
        code: sorted(rows - graded.faults.keys()) for code, rows in sorted(found.items()) if rows - graded.faults.keys()
    }


def _add_assumed(found: dict[str, set[int]], graded: Graded) -> None:
    rows = np.flatnonzero(graded.judged.assumption != UNKNOWN)
    places, which = graded.placed.place[rows], graded.judged.assumption[rows]
    for place in np.unique(places).tolist():
        rules = graded.placed.placements[place].scale.assumptions
        for number, rule in enumerate(rules):
            found.setdefault(rule.code, set()).update(rows[(places == place) & (which == number)].tolist())


def _add_gaps(found: dict[str, set[int]], graded: Graded) -> None:
    for row, judged in graded.judged.whole.items():
        if judged.gap != NOTHING:
            scale = graded.placed.placements[graded.placed.place[row]].scale
            found.setdefault(scale.bands[judged.gap].code, set()).add(row)
