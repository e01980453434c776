"""Small objects that an answer holds by the hundred: made and written by msgspec, described to pydantic as dataclasses.

A msgspec struct is made in half the time of a slots dataclass, is written as JSON in half the time, and costs the
garbage collector nothing (measured; docs/decisions/0039-findings-are-structs.md).
"""

from __future__ import annotations

import dataclasses
import inspect
from functools import cache
from typing import Any, TypeVar, get_type_hints

import msgspec
from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema

S = TypeVar("S", bound=msgspec.Struct)


def documented(cls: type[S]) -> type[S]:
    """Show a struct to pydantic as the dataclass with the same fields: in schemas, to write it, and to read it.

    Pydantic finds a dataclass's fields in this attribute and its values by their names; msgspec looks at neither.
    """
    own = inspect.get_annotations(cls)
    made: Any = dataclasses.make_dataclass(
        cls.__name__, [(n, own[n], _field(d)) for n, d in _defaults(cls) if n in own]
    )
    inherited = getattr(cls, "__dataclass_fields__", {})
    cls.__dataclass_fields__ = inherited | made.__dataclass_fields__  # type: ignore[attr-defined]  # what makes it one
    cls.__get_pydantic_core_schema__ = _schema_of(cls)  # type: ignore[attr-defined]  # pydantic looks for it
    return cls


def _schema_of(cls: type[S]) -> classmethod[S, [Any, GetCoreSchemaHandler], CoreSchema]:
    """Return what tells pydantic of a struct: the dataclass's schema, read by way of a real dataclass.

    Pydantic makes a dataclass without its constructor, which a struct does not allow.
    """

    @cache
    def adapter() -> TypeAdapter[Any]:
        types = get_type_hints(cls, include_extras=True)
        return TypeAdapter(
            dataclasses.make_dataclass(cls.__name__, [(n, types[n], _field(d)) for n, d in _defaults(cls)])
        )

    def read(value: object, _: object) -> S:
        if isinstance(value, cls):
            return value
        found = adapter().validate_python(value)
        return cls(**{name: getattr(found, name) for name in cls.__struct_fields__})

    def schema(_: type, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401  # pydantic's own
        return core_schema.no_info_wrap_validator_function(read, handler(source))

    return classmethod(schema)


def _defaults(cls: type[msgspec.Struct]) -> list[tuple[str, object]]:
    """Return the fields in their order, each with its default."""
    defaults = (msgspec.NODEFAULT,) * len(cls.__struct_fields__) + cls.__struct_defaults__
    return list(zip(cls.__struct_fields__, defaults[-len(cls.__struct_fields__) :], strict=True))


def _field(default: object) -> Any:  # noqa: ANN401  # a field, which the standard library types as its default
    """Return a dataclass's field with a struct's default; msgspec keeps the maker of a default in a box of its own."""
    if default is msgspec.NODEFAULT:
        return dataclasses.field()
    factory = getattr(default, "factory", None)
    return dataclasses.field(default=default) if factory is None else dataclasses.field(default_factory=factory)
