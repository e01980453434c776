"""Small objects that an answer holds by the hundred: made and written by msgspec, described to pydantic as dataclasses.

A msgspec struct is made in half the time of a slots dataclass, is written as JSON in half the time, and costs the
garbage collector nothing (measured; docs/decisions/0039-findings-are-structs.md).
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


def documented(cls: type[S]) -> type[S]:
    """Show a struct to pydantic as the dataclass with the same fields: in schemas, and to write it where we do not.

    Pydantic reads a dataclass's fields from this attribute and its values by their names; msgspec looks at neither.
    """
    own = inspect.get_annotations(cls)
    defaults = (msgspec.NODEFAULT,) * len(cls.__struct_fields__) + cls.__struct_defaults__
    fields = zip(cls.__struct_fields__, defaults[-len(cls.__struct_fields__) :], strict=True)
    made = dataclasses.make_dataclass(cls.__name__, [(name, own[name], _field(d)) for name, d in fields if name in own])
    inherited = getattr(cls, "__dataclass_fields__", {})
    cls.__dataclass_fields__ = inherited | made.__dataclass_fields__  # type: ignore[attr-defined]  # what makes it one
    return cls


def _field(default: object) -> Any:  # noqa: ANN401  # a field, which the standard library types as its default
    """Return a dataclass's field with a struct's default; msgspec keeps the maker of a default in a box of its own."""
    if default is msgspec.NODEFAULT:
        return dataclasses.field()
    factory = getattr(default, "factory", None)
    return dataclasses.field(default=default) if factory is None else dataclasses.field(default_factory=factory)
