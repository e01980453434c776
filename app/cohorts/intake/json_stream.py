"""A JSON body as it arrives: the records of its list are cut out one by one, and the body is never held whole.

Each record is found by the standard library's scanner and handed on as text; whoever takes it parses it strictly.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection
from itertools import count
from typing import Any, Final

import msgspec

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.intake.lines import refuse_marks
from app.cohorts.intake.rows import LARGEST_RECORD, Chunks, MalformedError, Rows, SentRow, stream_refused

LIST: Final = "patients"
_SPACE: Final = re.compile(r"[ \t\n\r]*")
# What a number is made of: one that ends where the text read so far ends may go on, "1" as "1e3" or "1.5".
_OF_A_NUMBER: Final = re.compile(r"[-+.0-9eE]*")
_LONGEST_MEMBER: Final = 100_000
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Numbers stay text: only where they end is asked here, and Python makes no number of thousands of digits.
_decode: Final = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


class Text:
    """The text read so far and not used up yet."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._held = ""
        self._at = 0
        self._used = 0
        self._started = False
        self._ended = False

    def peek(self) -> str:
        """Return the next character that is not white space, or nothing at the end."""
        while True:
            self._at = _SPACE.match(self._held, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> None:
        """Step over one character that has to come next."""
        if self.peek() != wanted:
            raise self.malformed()
        self._at += 1

    def value(self, longest: int) -> str | None:
        """Return the next JSON value as text, or None when it is longer than it may be.

        A value counts as whole once something follows it: 12 could be the beginning of 123.
        """
        self.peek()
        while True:
            end = self._end()
            if end is not None:
                value, self._at = self._held[self._at : end], end
                return value if len(value) <= longest else None
            if len(self._held) - self._at > longest:
                return None
            if not self._more():
                raise self.malformed()

    def malformed(self) -> MalformedError:
        """Make the refusal of a text that is not JSON."""
        if self.peek() == "" and self._ended:
            return MalformedError("The body ends in the middle of its JSON: it was cut.")
        return MalformedError(f"The body is not well-formed JSON: character {self._used + self._at + 1}.")

    def _end(self) -> int | None:
        if _OF_A_NUMBER.match(self._held, self._at).end() == len(self._held):  # type: ignore[union-attr]  # it matches nothing, too
            return None
        try:
            _, end = _decode(self._held, self._at)
        except json.JSONDecodeError:
            return None
        except RecursionError:
            raise MalformedError("The body is nested too deep.") from None
        return end if _SPACE.match(self._held, end).end() < len(self._held) else None  # type: ignore[union-attr]  # as above

    def _more(self) -> bool:
        """Read on; what was used up is dropped."""
        chunk = next(filter(None, self._chunks), b"")
        self._ended = not chunk
        if not self._started and chunk:
            self._started = True
            _refuse_marks(chunk)
        try:
            fresh = self._decoder.decode(chunk, final=self._ended)
        except UnicodeDecodeError:
            raise MalformedError("The body is not UTF-8.") from None
        self._used += self._at
        self._held, self._at = self._held[self._at :] + fresh, 0
        return not self._ended


class JsonBody:
    """`{"name": ..., "patients": [...]}` or a bare list: iterate over `rows()`, then read `members`."""

    def __init__(self, chunks: Chunks, names: Collection[str]) -> None:
        """Take the members allowed beside the list; where a bare list is allowed too, `names` is empty."""
        self._text = Text(chunks)
        self._names = names
        self.members: dict[str, Any] = {}
        self.has_list = self.is_bare = False

    def rows(self) -> Rows:
        """Yield the records in their order. Raises MalformedError or RefusedInputError for what is around them."""
        first = self._text.peek()
        if first == "":
            raise MalformedError("The body is empty; a JSON value is needed.")
        if first == "[" and not self._names:
            self.is_bare = True
            yield from self._list("")
        elif first == "{":
            yield from self._object()
        else:
            raise stream_refused("not_an_object", f"The body must be an object with the list {LIST}.")
        if self._text.peek():
            raise self._text.malformed()

    def _object(self) -> Rows:
        self._text.take("{")
        if self._text.peek() == "}":
            self._text.take("}")
            return
        while True:
            name = self._name()
            if name == LIST and self._text.peek() == "[":
                self.has_list = True
                yield from self._list("/" + LIST)
            else:
                self.members[name] = self._member(name)
            if self._text.peek() != ",":
                break
            self._text.take(",")
        self._text.take("}")

    def _name(self) -> str:
        if self._text.peek() != '"':
            raise self._text.malformed()
        text = self._text.value(_LONGEST_MEMBER)
        name = json.loads(text) if text is not None else ""
        self._text.take(":")
        if _SURROGATE.search(name):
            message = "A key of this object holds half of a surrogate pair."
            raise RefusedInputError(InputError("", "lone_surrogate", message))
        if name in self.members or (name == LIST and self.has_list):
            raise _refused(name, "duplicate_key", "This key occurs more than once in its object.")
        if name not in {LIST, *self._names}:
            allowed = (*self._names, LIST)
            message = f"There is no such field here; there is {', '.join(allowed)}."
            raise _refused(name, "unknown_field", message, allowed)
        return str(name)

    def _member(self, name: str) -> Any:  # noqa: ANN401  # whatever JSON was sent; its reader judges it
        text = self._text.value(_LONGEST_MEMBER)
        if name == LIST:
            if text == "null":
                return None
            raise _refused(name, "not_a_list", f"{LIST} must be a list of patient records.")
        if text is None:
            raise _refused(name, "text_length", f"{name} is too long.")
        try:
            return msgspec.json.decode(text)
        except msgspec.MsgspecError:
            raise _refused(name, "value_refused", f"{name} is not a value that JSON knows.") from None

    def _list(self, pointer: str) -> Rows:
        self._text.take("[")
        if self._text.peek() == "]":
            self._text.take("]")
            return
        for index in count():
            text = self._text.value(LARGEST_RECORD)
            if text is None:
                message = f"A record is larger than {LARGEST_RECORD} bytes, or is not well-formed JSON."
                raise RefusedInputError(InputError(f"{pointer}/{index}", "record_too_large", message))
            yield SentRow(index, None, f"{pointer}/{index}", text.encode())
            if self._text.peek() != ",":
                break
            self._text.take(",")
        self._text.take("]")


def _refuse_marks(start: bytes) -> None:
    """Refuse a byte order mark as the other operations on JSON do: it makes the text no JSON."""
    try:
        refuse_marks(start)
    except RefusedInputError as exc:
        raise MalformedError(exc.errors[0].message) from None


def _refused(name: str, code: str, message: str, allowed: tuple[str, ...] = ()) -> RefusedInputError:
    pointer = "/" + name[:100].replace("~", "~0").replace("/", "~1")
    return RefusedInputError(InputError(pointer, code, message, allowed))
