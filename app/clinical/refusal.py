"""How a clinical function refuses an input: which field, why, and what is allowed. Never the value itself.

A refusal is public text. It names the field by JSON pointer (RFC 6901), carries a stable code, and says what
would be accepted. It must not repeat what was sent: a patient's value has no place in an error body.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InputError:
    """One thing that is wrong with one field.

    `pointer` is relative to the request body ("/labs/0/unit"; "" is the body as a whole). `code` is stable
    snake_case. `allowed` lists what would be accepted, where that is a list.
    """

    pointer: str
    code: str
    message: str
    allowed: tuple[str, ...] = field(default=())


class RefusedInputError(Exception):
    """The input was understood and cannot be answered; the API turns it into a 422 problem."""

    def __init__(self, *errors: InputError) -> None:
        if not errors:
            msg = "a refusal needs at least one reason"
            raise ValueError(msg)
        super().__init__("; ".join(f"{e.pointer}: {e.code}" for e in errors))
        self.errors = errors

    def under(self, prefix: str) -> RefusedInputError:
        """Return the same refusal with every pointer moved below `prefix` ("/records/3")."""
        return RefusedInputError(*(InputError(prefix + e.pointer, e.code, e.message, e.allowed) for e in self.errors))
