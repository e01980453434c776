"""P-values adjusted over the tests of one section.

A test that stands beside another (Pearson's chi-square, Gehan-Breslow) is not counted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from app.cohorts.analysis.answers import Adjust, FeverCurves, PairedGroup, Row, TestResult
from app.statistics.adjustment import benjamini_hochberg, holm

_BY: Final = {"holm": holm, "benjamini_hochberg": benjamini_hochberg}
_FIELD: Final[dict[type[BaseModel], str]] = {Row: "test", PairedGroup: "test", FeverCurves: "log_rank"}
S = TypeVar("S", bound=BaseModel)


def adjusted(section: S, method: Adjust) -> S:
    """Return a section with `p_value_adjusted` in each of its tests that has a p-value."""
    found = tests_of(section)
    values = iter(_BY[method]([test.p_value for test in found]))
    return _with(section, lambda test: test.model_copy(update={"p_value_adjusted": next(values)}))


def tests_of(section: BaseModel) -> tuple[TestResult, ...]:
    """Return the tests of a section, one for each comparison."""
    return tuple(_tests(section))


def _tests(part: object) -> Iterator[TestResult]:
    """Yield the tests of a section in the order in which `_with` meets them."""
    if isinstance(part, tuple):
        for item in part:
            yield from _tests(item)
    elif isinstance(part, BaseModel):
        test = getattr(part, _FIELD.get(type(part), ""), None)
        if isinstance(test, TestResult):
            yield test
        for name in _parts(part):
            yield from _tests(getattr(part, name))


def _with(part: S, change: Callable[[TestResult], TestResult]) -> S:
    """Return a part with its tests changed."""
    update: dict[str, Any] = {}
    field = _FIELD.get(type(part), "")
    test = getattr(part, field, None)
    if isinstance(test, TestResult):
        update[field] = change(test)
    for name in _parts(part):
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            update[name] = _with(value, change)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            update[name] = tuple(_with(item, change) for item in value)
    return part.model_copy(update=update) if update else part


def _parts(part: BaseModel) -> Sequence[str]:
    """Name the fields that may hold tests: rows, groups of a paired measurement, curves. `overall` repeats them."""
    if isinstance(part, Row | PairedGroup | FeverCurves):
        return ()
    return [name for name in type(part).model_fields if name != "overall"]
