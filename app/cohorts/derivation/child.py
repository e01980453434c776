"""The child of a record as the phenotype sees it: what was sent at presentation, completed by the rest."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.clinical.flags import Flags, Level, Maybe
from app.clinical.presentation import Echocardiogram, Presentation
from app.cohorts.derivation.derived import Notes
from app.cohorts.derivation.labs import LabReading
from app.cohorts.records import PatientRecord
from app.cohorts.strata import Flag, Sex

YES: Final = "yes"
NO: Final = "no"
UNKNOWN: Final = "unknown"
_FLAGS: Final[dict[Maybe, Flag]] = {True: YES, False: NO, None: UNKNOWN}
_STATED: Final = "The stated flag decides; the record's own data say otherwise. Check both."
_FIELDS: Final = ("kd_like", "cv_shock")


class Child(NamedTuple):
    """What the phenotype is judged by."""

    age_years: float | None
    sex: Sex
    weight_kg: float | None
    echo: Echocardiogram | None


def child_of(record: PatientRecord) -> Child:
    """Take together what a record says of the child. The record's own fields come first; the rest completes them."""
    at = record.presentation
    age, sex, weight, echo = record.age_years, record.sex, record.weight_kg, None
    if at is not None:
        age = at.age_years if age is None else age
        sex = sex or at.sex
        weight = at.weight_kg if weight is None else weight
        echo = at.echocardiogram
    if echo is None and record.echocardiograms:
        echo = record.echocardiograms[0]
    return Child(age, sex or UNKNOWN, weight, echo)


def flag(value: Maybe) -> Flag:
    """Write a truth as a stratum does."""
    return _FLAGS[value]


class TwoFlags(NamedTuple):
    """The two flags that count, and what was derived."""

    kd_like: Flag
    cv_shock: Flag
    derived_kd_like: Flag
    derived_cv_shock: Flag


class PhenotypeFlags:
    """Derives the two flags; stated ones decide."""

    def __init__(self, flags: Flags) -> None:
        self._flags = flags

    def __call__(self, record: PatientRecord, child: Child, reading: LabReading, notes: Notes) -> TwoFlags:
        """Return the flags. Without a presentation or an age nothing can be derived."""
        derived: tuple[Maybe, Maybe] = (None, None)
        if record.presentation is not None and child.age_years is not None:
            levels: dict[str, Level] = reading.levels()
            derived = self._flags.judge(record.presentation, child.echo, child.age_years, child.sex, levels)
        stated = record.phenotype
        if stated is None:
            kd, shock = _FLAGS[derived[0]], _FLAGS[derived[1]]
            return TwoFlags(kd, shock, kd, shock)
        said = (stated.kd_like, stated.cv_shock)
        for name, one, other in zip(_FIELDS, said, derived, strict=True):
            if one is not None and other is not None and one is not other:
                notes.disagree(f"phenotype.{name}", one, other, _STATED)
        kd, shock = (_FLAGS[other if one is None else one] for one, other in zip(said, derived, strict=True))
        return TwoFlags(kd, shock, _FLAGS[derived[0]], _FLAGS[derived[1]])


def presentation_of(record: PatientRecord, reading: LabReading) -> Presentation | None:
    """Return the request that the phenotype's full answer is made from; None without a presentation or an age."""
    child = child_of(record)
    if record.presentation is None or child.age_years is None:
        return None
    sent = record.presentation.model_dump(exclude_unset=True)
    sent |= {"age_years": child.age_years, "sex": None if child.sex == UNKNOWN else child.sex}
    sent["weight_kg"] = child.weight_kg
    sent["echocardiogram"] = None if child.echo is None else child.echo.model_dump(exclude_unset=True, exclude={"day"})
    results = {**reading.first, **reading.at_presentation}
    sent["labs"] = [r.lab.model_dump(exclude={"hour"}) for r in results.values()]
    if record.override_plausibility:
        sent["override_plausibility"] = True
    return Presentation.model_validate(sent)
