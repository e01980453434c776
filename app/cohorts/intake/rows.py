"""What every format is read into: one row after the other, each with its place in what was sent.

A row that cannot be read is handed on with its reasons: whoever asked decides whether the rest goes on. What makes the
whole stream unreadable is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from msgspec import Struct

from app.clinical.refusal import InputError, RefusedInputError

LARGEST_RECORD: Final = 1_000_000
"""Bytes of one record: what a single-record operation takes, too."""

_BODY: Final = "The body "
_OPEN: Final = (
    "The text ends in this line without a line end, and the row is refused: the stream may have been cut. Nothing of "
    "it is kept, because nobody can tell how many lines are missing. Send it whole, its last line with a line end."
)

Chunks: TypeAlias = Iterable[bytes]


@dataclass(frozen=True, slots=True)
class RowError(InputError):
    """One thing that is wrong with one row: a refused field, and the line of the text it stands in (from 1)."""

    line: int | None = field(default=None)


class IntakeError(Exception):
    """What was sent to be taken into a cohort is refused; nothing was changed."""


class MalformedError(IntakeError):
    """The text is not JSON at all; its message is public."""


class SentRow(Struct, frozen=True):
    """One record as it was sent.

    `line` counts from 1 (None in JSON), `pointer` leads from the whole text to the record (empty but in JSON), `raw` is
    the record as JSON text. A row that cannot even be read has `errors` instead. `is_open`: the text ends in it without
    a line end, so that it may be half of what was sent.
    """

    index: int
    line: int | None
    pointer: str
    raw: bytes
    errors: tuple[InputError, ...] = ()
    explain: Callable[[InputError], InputError] | None = None
    is_open: bool = False

    def blame(self, errors: Iterable[InputError]) -> tuple[RowError, ...]:
        """Return the reasons with their place: pointer from the whole text, and line."""
        told = map(self.explain, errors) if self.explain else errors
        return tuple(RowError(self.pointer + e.pointer, e.code, self._said(e), e.allowed, self.line) for e in told)

    def _said(self, error: InputError) -> str:
        """Return a reason in which the body that the reader speaks of is this row."""
        own = "The record " if self.line is None else "The line "
        return own + error.message.removeprefix(_BODY) if error.message.startswith(_BODY) else error.message


Rows: TypeAlias = Iterator[SentRow]


def stream_refused(code: str, message: str, line: int | None = None, allowed: tuple[str, ...] = ()) -> Exception:
    """Make the refusal of a whole stream."""
    return RefusedInputError(RowError("", code, message, allowed, line))


def open_row_refused(line: int | None) -> Exception:
    """Make the refusal of a stream that ends in a row that is no good, and has no line end."""
    return stream_refused("stream_cut", _OPEN, line)
