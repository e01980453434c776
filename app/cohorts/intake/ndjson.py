"""NDJSON: one record on each line. A stream that ends in the middle of a line is refused as a whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

import msgspec

from app.clinical.refusal import InputError
from app.cohorts.intake.lines import raw_lines
from app.cohorts.intake.rows import Chunks, Rows, SentRow, stream_refused

_CUT = (
    "The text ends in the middle of this line: the stream was cut. Nothing of it is kept, because nobody can tell how "
    "many lines are missing. Send it whole."
)
_MALFORMED: Final = "malformed_json"
_is_json = msgspec.json.Decoder(msgspec.Raw).decode


def ndjson_rows(chunks: Chunks) -> Rows:
    """Read NDJSON; blank lines do not count.

    What a line holds is looked into by whoever takes the row. Raises RefusedInputError when the last line is cut.
    """
    index = 0
    for number, (line, is_ended) in enumerate(raw_lines(chunks), start=1):
        if not line.strip():
            continue
        if not is_ended and not _is_whole(line):
            raise stream_refused("stream_cut", _CUT, number)
        yield SentRow(index, number, "", line, (), partial(_explain, number))
        index += 1


def _explain(number: int, error: InputError) -> InputError:
    """Say which line of the text is no JSON: to whoever reads it, it is a whole body of one line."""
    if error.code != _MALFORMED:
        return error
    words = error.message.replace("The body", "This line").replace(": line 1, column", f": line {number}, column")
    return replace(error, message=words)


def _is_whole(line: bytes) -> bool:
    try:
        _is_json(line)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True
