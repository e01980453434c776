"""What an analysis is asked: the axis, the patients it is narrowed to, the options; read strictly, in one order."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.analysis.answers import SECTIONS, Adjust, By, Interval, QuantileMethod, Section, TimeZero
from app.cohorts.analysis.axes import AXES
from app.cohorts.strata import Stratum
from app.statistics.disclosure_policy import OPEN, Disclosure

Where = tuple[tuple[By, tuple[str, ...]], ...]
MOST_CONDITIONS: Final = 20
_LONGEST: Final = 500
_DEFAULT_BY: Final[Mapping[Section, By]] = {
    "anakinra": "cv_shock",
    "adverse_events": "treatment_corticosteroids",
    "cardiac": "treatment_corticosteroids",
}


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that an analysis depends on beside the cohort itself.

    `by` None: the study's own axis for each section. `time_zero` None: both. `disclosure`: what is to be withheld.
    """

    by: By | None = None
    where: Where = ()
    quantile_method: QuantileMethod = "weibull"
    adjust: Adjust | None = None
    confidence: float = 0.95
    interval: Interval = "log-log"
    time_zero: TimeZero | None = None
    sustained: bool = False
    sections: tuple[Section, ...] = SECTIONS
    disclosure: Disclosure = OPEN

    def only(self, section: Section) -> Question:
        """Return the same question about one section."""
        return replace(self, sections=(section,))

    def axis_of(self, section: Section | None) -> By:
        """Return the axis of a section (None: of the head): the one asked for, or the study's own."""
        if self.by is not None or section is None:
            return self.by or "treatment"
        return _DEFAULT_BY.get(section, "treatment")

    def selects(self, stratum: Stratum) -> bool:
        """Say whether the patients of a stratum take part."""
        return all(AXES[axis].of(stratum) in values for axis, values in self.where)


def parse_by(text: str | None) -> By | None:
    """Read `by`, or refuse it with the axes there are."""
    return None if text is None else _axis(text, "/by")


def parse_where(conditions: Sequence[str]) -> Where:
    """Read `axis:value` or `axis:value,value` conditions, all of which must hold; refuse what is anything else.

    The result is in one order whatever order was sent, so that equal questions have equal ETags.
    """
    if len(conditions) > MOST_CONDITIONS or any(len(text) > _LONGEST for text in conditions):
        raise _refusal("/where", "too_long", "There are more conditions, or longer ones, than the axes have values.")
    found: dict[By, tuple[str, ...]] = {}
    for text in conditions:
        name, colon, values = text.partition(":")
        if not colon:
            raise _refusal("/where", "where_malformed", "Write axis:value, such as treatment:ivig_anakinra.", AXES)
        axis = _axis(name, "/where")
        if axis in found:
            raise _refusal("/where", "axis_repeated", "One axis stands twice: list its values with commas between.")
        found[axis] = _values(axis, values.split(","))
    return tuple((axis, found[axis]) for axis in AXES if axis in found)


def _axis(text: str, pointer: str) -> By:
    if text not in AXES:
        raise _unknown(text, pointer, "axis_unknown", "axis", AXES)
    return cast("By", text)


def _values(axis: By, sent: Sequence[str]) -> tuple[str, ...]:
    allowed = AXES[axis].labels
    for value in sent:
        if value not in allowed:
            raise _unknown(value, "/where", "value_unknown", f"value of {axis}", allowed)
    return tuple(value for value in allowed if value in sent)


def _unknown(text: str, pointer: str, code: str, what: str, allowed: Iterable[str]) -> RefusedInputError:
    near = difflib.get_close_matches(text[:_LONGEST].strip().lower(), tuple(allowed), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return _refusal(pointer, code, f"There is no such {what}.{hint}", allowed)


def _refusal(pointer: str, code: str, message: str, allowed: Iterable[str] = ()) -> RefusedInputError:
    return RefusedInputError(InputError(pointer, code, message, tuple(allowed)))
