"""The one exception by which a statistic refuses what it was given; its text is public and repeats no value."""

from __future__ import annotations


class StatisticsInputError(ValueError):
    """An input that no statistic can be computed from: where it stands, a stable code, what is allowed.

    `pointer` is an RFC 6901 pointer relative to the input (`/table/0/1`), empty when the whole input is meant.
    """

    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.code = code
        self.message = message
