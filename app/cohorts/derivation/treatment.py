"""Treatment: the group, the axis of corticosteroids, and how a course of anakinra is told.

Within a `treatment` that is sent, what is not listed was not given; what is listed as null is unknown. Without a
`treatment` everything is unknown.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from app.clinical.flags import Maybe
from app.cohorts.derivation.derived import Notes
from app.cohorts.records import Anakinra, Corticosteroid, Ivig, PatientRecord, course_of, infusion_of
from app.cohorts.records import Treatment as Sent
from app.cohorts.strata import Corticosteroids, Treatment
from app.cohorts.variables import NOT_LISTED as NOT_LISTED_VARIABLE

_LISTED: Final = ("ivig", "aspirin", "anakinra", "corticosteroids")
_GROUPS: Final[dict[tuple[Maybe, Maybe], Treatment]] = {
    (True, False): "ivig_monotherapy",
    (True, True): "ivig_anakinra",
    (False, True): "anakinra_only",
    (False, False): "other",
}
NOT_LISTED: Final = "treatment_not_listed_taken_as_not_given"
UNKNOWN_GROUP: Final = "anakinra_given_ivig_unknown"
_UNKNOWN_GROUP: Final = (
    "Anakinra was given, and whether IVIG was is not known: the child is in no treatment group, and is not counted "
    "among those who were given anakinra."
)


class Given(NamedTuple):
    """What was given: true, false, or None for unknown."""

    ivig: Maybe
    aspirin: Maybe
    anakinra: Maybe
    inflammatory: Maybe
    stress: Maybe
    group: Treatment
    corticosteroids: Corticosteroids
    course: Anakinra | None
    infusion: Ivig | None
    not_listed: Maybe = None


class Start(NamedTuple):
    """When treatment began, in hours since admission, and by what."""

    hour: float
    basis: str


_NOTHING_KNOWN: Final = Given(None, None, None, None, None, "unknown", "unknown", None, None)


def given(record: PatientRecord, notes: Notes) -> Given:
    """Read what was given, and warn of what was taken as not given because it is not listed."""
    sent = record.treatment
    if sent is None:
        return _NOTHING_KNOWN
    listed = sent.model_fields_set
    not_listed = len(listed) < len(_LISTED)
    if not_listed:
        names = ", ".join(name for name in _LISTED if name not in listed)
        notes.warn(NOT_LISTED, f"Not listed in treatment, and so taken as not given: {names}. null says unknown.")
    ivig = _one(sent.ivig, is_listed="ivig" in listed)
    anakinra = _one(sent.anakinra, is_listed="anakinra" in listed)
    if anakinra and ivig is None:
        notes.warn(UNKNOWN_GROUP, _UNKNOWN_GROUP)
    inflammatory, stress = _purposes(sent, is_listed="corticosteroids" in listed)
    return Given(
        ivig,
        _one(sent.aspirin, is_listed="aspirin" in listed),
        anakinra,
        inflammatory,
        stress,
        _GROUPS.get((ivig, anakinra), "unknown"),
        _axis(inflammatory, stress),
        course_of(sent),
        infusion_of(sent),
        not_listed,
    )


def _one(value: object, *, is_listed: bool) -> Maybe:
    if not is_listed:
        return False
    return None if value is None else value is not False


def _purposes(sent: Sent, *, is_listed: bool) -> tuple[Maybe, Maybe]:
    """Return whether corticosteroids were given against inflammation, and for stress."""
    if not is_listed:
        return False, False
    if sent.corticosteroids is None:
        return None, None
    return _any(sent.corticosteroids, "inflammatory"), _any(sent.corticosteroids, "stress")


def _any(courses: tuple[Corticosteroid, ...], purpose: str) -> Maybe:
    purposes = {c.purpose for c in courses}
    if purpose in purposes:
        return True
    return None if None in purposes else False


def _axis(inflammatory: Maybe, stress: Maybe) -> Corticosteroids:
    """Return the axis: inflammatory outranks stress."""
    if inflammatory:
        return "inflammatory"
    if inflammatory is None:
        return "unknown"
    if stress is None:
        return "unknown"
    return "stress" if stress else "none"


def values_of(what: Given, values: dict[str, int]) -> None:
    """Write the binary variables of treatment."""
    named: tuple[tuple[str, Any], ...] = (
        ("treatment.ivig", what.ivig),
        ("treatment.aspirin", what.aspirin),
        ("corticosteroids.inflammatory", what.inflammatory),
        ("corticosteroids.stress", what.stress),
        (NOT_LISTED_VARIABLE, what.not_listed),
    )
    for name, value in named:
        if value is not None:
            values[name] = int(value)


def treatment_start(what: Given) -> Start | None:
    """Return when treatment began: the first dose of anakinra; without anakinra, of IVIG; None when not known."""
    course, infusion = what.course, what.infusion
    if what.anakinra is not False:
        if course is None:
            return None
        hour = course.started_hour
        if hour is None:
            # A dose of 0 says that none was given then.
            hour = next((dose.hour for dose in course.doses or () if dose.mg_kg_day > 0), None)
        return None if hour is None else Start(hour, "anakinra_start")
    if infusion is None:
        return None
    if infusion.started_hour is not None:
        return Start(infusion.started_hour, "ivig_start")
    return None if infusion.ended_hour is None else Start(infusion.ended_hour, "ivig_end")
