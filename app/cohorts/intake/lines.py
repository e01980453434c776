"""Text in chunks into lines: UTF-8 without a byte order mark, and no line longer than a record may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.cohorts.intake.rows import LARGEST_RECORD, Chunks, stream_refused

_UTF_8_MARK: Final = b"\xef\xbb\xbf"
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
# So many bytes tell whether a text is plain UTF-8: one sign of UTF-32.
_TELLING: Final = 4
_MARK: Final = (
    "The text starts with a byte order mark. Send plain UTF-8 without it: in a spreadsheet program choose CSV without "
    "UTF-8 in its name, or drop the first three bytes (tail -c +4 FILE)."
)
_WIDE: Final = "The text is UTF-16 or UTF-32. Send it as UTF-8 without a byte order mark."


def raw_lines(chunks: Chunks) -> Iterator[tuple[bytes, bool]]:
    """Yield each line without its LF, and whether an end was there: the last line may lack it.

    Raises RefusedInputError for a byte order mark, for UTF-16, and for a line beyond what a record may be.
    """
    number, rest = 0, b""
    for chunk in _unmarked(chunks):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            _refuse_long(line, number)
            yield line, True
        _refuse_long(rest, number + 1)
    if rest:
        yield rest, False


def _unmarked(chunks: Chunks) -> Iterator[bytes]:
    """Yield the chunks once their first bytes were looked at, in however small pieces those come."""
    start, more = b"", iter(chunks)
    for chunk in more:
        start += chunk
        if len(start) >= _TELLING:
            break
    refuse_marks(start)
    yield start
    yield from more


def refuse_marks(start: bytes) -> None:
    """Refuse a text by its first bytes when it is not plain UTF-8."""
    if start.startswith(_UTF_8_MARK):
        raise stream_refused("byte_order_mark", _MARK, 1)
    if start.startswith(_WIDE_MARKS) or b"\x00" in start[:_TELLING]:
        raise stream_refused("not_utf_8", _WIDE, 1)


def decoded(line: bytes, number: int) -> str:
    """Return a line as text, or refuse the stream: what is not UTF-8 is not guessed at."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise stream_refused("not_utf_8", "This line is not UTF-8; send the text as UTF-8.", number) from None


def _refuse_long(line: bytes, number: int) -> None:
    if len(line) > LARGEST_RECORD:
        message = f"This line is longer than {LARGEST_RECORD} bytes, the most that one record may have."
        raise stream_refused("line_too_long", message, number)
