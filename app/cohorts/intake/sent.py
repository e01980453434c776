"""What was sent to be taken in: a file of one of three formats, and how to go about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.intake.columns import Layout
from app.cohorts.intake.csv_rows import csv_rows
from app.cohorts.intake.json_stream import LIST, JsonBody
from app.cohorts.intake.ndjson import ndjson_rows
from app.cohorts.intake.rows import Rows

Format = Literal["json", "ndjson", "csv"]
PIECE: Final = 256_000


@dataclass(frozen=True, slots=True)
class Sent:
    """Rows in a file that is read once from its start. `skip` leaves bad rows out instead of refusing all."""

    body: BinaryIO
    format: Format
    size: int
    skip: bool = False

    def rows(self, layout: Layout) -> Rows:
        """Return the rows to add to a cohort. Raises MalformedError or RefusedInputError as they are drawn."""
        if self.format == "csv":
            return csv_rows(self.pieces(), layout)
        if self.format == "ndjson":
            return ndjson_rows(self.pieces())
        return _listed(JsonBody(self.pieces(), ()))

    def pieces(self) -> Iterator[bytes]:
        """Yield the file piece by piece."""
        self.body.seek(0)
        while piece := self.body.read(PIECE):
            yield piece

    def done(self) -> int:
        """Return how many bytes were read."""
        return self.body.tell()


def _listed(body: JsonBody) -> Rows:
    yield from body.rows()
    if not body.has_list and not body.is_bare:
        message = f"{LIST} is required: the list of patient records. An empty list adds nobody."
        raise RefusedInputError(InputError("/" + LIST, "field_missing", message))
