"""Intravenous immunoglobulin: one course by ideal weight, capped, perhaps over two days."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import Field

from app.clinical.arithmetic import exact, said, shown
from app.clinical.patient import Answer, Fact, Measurement, Patient, PatientCheck, strict
from app.clinical.rulebook import Provenance, Rulebook
from app.clinical.warning import Caution


class IvigRequest(Patient):
    """What the course needs: the ideal body weight, or else the actual one stands in for it."""

    model_config = strict(
        """{"weight_kg": 40, "ideal_weight_kg": 30, "age_years": 9,
            "cardiac_dysfunction": false, "ivig_given": false}"""
    )

    ideal_weight_kg: float | None = Field(
        default=None,
        description="Ideal body weight in kg, plausible from 0.4 to 150; null: the actual weight is used and warned of",
    )
    cardiac_dysfunction: Fact = Field(default=None, description="With it the course may be split over two days")
    ivig_given: Fact = Field(default=None, description="IVIG has been given in this illness: no second course")


class IvigOption(Answer):
    """One way to give the course."""

    schedule: Literal["single", "split"] = Field(description="single: one infusion; split: the same total over days")
    days: int = Field(description="Days, one infusion each")
    g_kg_day: float = Field(description="g/kg of one day, before the cap")
    g_per_day: float = Field(description="g of one day, after the cap")


class IvigAnswer(Answer):
    """The course of IVIG with its working."""

    status: Literal["planned", "no_second_course"] = Field(description="no_second_course: IVIG has been given already")
    dose_g_kg: float | None = Field(description="g/kg of the whole course")
    weight_basis: Literal["ideal", "actual"] = Field(description="Which weight was used")
    dosing_weight_kg: float = Field(description="The weight used, kg")
    total_g: float | None = Field(description="g of the whole course, after the cap; null when none is planned")
    uncapped_g: float | None = Field(description="g of the whole course without the cap")
    by_actual_weight_g: float | None = Field(description="g by the actual weight, after the cap, for comparison")
    capped: bool = Field(description="The cap binds")
    options: tuple[IvigOption, ...] = Field(
        description="Ways to give it; split only where cardiac dysfunction is not excluded"
    )
    steps: tuple[str, ...] = Field(description="The working, line by line")
    missing: tuple[str, ...] = Field(description="Inputs that would settle the dose or how to give it")
    not_checked: tuple[str, ...] = Field(description="Safety inputs that were not sent: unknown, not no")
    warnings: tuple[Caution, ...] = Field(description="What to know beside the numbers")
    rules: Provenance = Field(description="The rule sets behind the answer")


class Course(NamedTuple):
    """The course in g: without and with the cap, and by the actual weight."""

    weight: Decimal
    uncapped: Decimal
    total: Decimal
    by_actual: Decimal

    @property
    def is_capped(self) -> bool:
        """Say whether the cap binds."""
        return self.total < self.uncapped


class Ivig:
    """Answers `POST /v1/treatment/ivig` by `acr-misc-2022`, capped by `nih-misc-2022`."""

    def __init__(self, rulebook: Rulebook, check: PatientCheck) -> None:
        acr, nih = rulebook["acr-misc-2022"], rulebook["nih-misc-2022"]
        self._check = check
        self._rules = acr.provenance(nih, rulebook["body-measures"], rulebook["growth-limits"])
        self._dose = acr.number("ivig.dose")
        self._days = acr.count("ivig.split_days")
        self._cap = nih.number("ivig.cap")
        self._second = Caution(code="ivig_given_already", message=acr.text("ivig.second"))
        self._split = Caution(code="ivig_may_be_split", message=acr.text("ivig.split"))
        self._actual = Caution(code="ivig_by_actual_weight", message=acr.text("ivig.actual_weight"))
        self._is_far_below = acr.threshold("ivig.ideal_share").is_met
        self._far_below = Caution(code="ideal_weight_far_below_actual", message=acr.text("ivig.ideal_far_below_actual"))
        self._above = Caution(code="ideal_weight_above_actual", message=acr.text("ivig.ideal_above_actual"))
        cite = nih.cite(nih.parameter("ivig.cap"))
        self._capped = Caution(code="dose_capped", message=f"The course is capped at {said(self._cap)} g ({cite}).")
        self._not_asked = Caution(code="ivig_not_asked", message=acr.text("ivig.not_asked"))
        self._guidance = Caution(code="glucocorticoid_advised", message=nih.text("glucocorticoid"))

    def __call__(self, request: IvigRequest) -> IvigAnswer:
        """Work out the course in g for weights in kg; raises `RefusedInputError` for weights that cannot be."""
        ideal = Measurement("ideal_weight_kg", request.ideal_weight_kg, "/ideal_weight_kg")
        body = self._check(request, ideal)
        return self._none(request, body) if request.ivig_given else self._plan(request, body)

    def _plan(self, request: IvigRequest, body: tuple[Caution, ...]) -> IvigAnswer:
        course = self._course(request)
        unknown_weight = () if request.ideal_weight_kg is not None else ("ideal_weight_kg",)
        unknown_heart = () if request.cardiac_dysfunction is not None else ("cardiac_dysfunction",)
        return IvigAnswer(
            status="planned",
            dose_g_kg=shown(self._dose),
            weight_basis="actual" if unknown_weight else "ideal",
            dosing_weight_kg=shown(course.weight),
            total_g=shown(course.total),
            uncapped_g=shown(course.uncapped),
            by_actual_weight_g=shown(course.by_actual),
            capped=course.is_capped,
            options=self._options(course, may_split=request.cardiac_dysfunction is not False),
            steps=self._steps(course),
            missing=(*unknown_weight, *unknown_heart),
            not_checked=() if request.ivig_given is False else ("ivig_given",),
            warnings=(*body, *self._warnings(request, course)),
            rules=self._rules,
        )

    def _none(self, request: IvigRequest, body: tuple[Caution, ...]) -> IvigAnswer:
        return IvigAnswer(
            status="no_second_course",
            dose_g_kg=None,
            weight_basis="actual" if request.ideal_weight_kg is None else "ideal",
            dosing_weight_kg=shown(_dosing_weight(request)),
            total_g=None,
            uncapped_g=None,
            by_actual_weight_g=None,
            capped=False,
            options=(),
            steps=(),
            missing=(),
            not_checked=(),
            warnings=(self._second, *body),
            rules=self._rules,
        )

    def _course(self, request: IvigRequest) -> Course:
        weight = _dosing_weight(request)
        uncapped, by_actual = self._dose * weight, self._dose * exact(request.weight_kg)
        return Course(weight, uncapped, min(uncapped, self._cap), min(by_actual, self._cap))

    def _options(self, course: Course, *, may_split: bool) -> tuple[IvigOption, ...]:
        single = IvigOption(schedule="single", days=1, g_kg_day=shown(self._dose), g_per_day=shown(course.total))
        if not may_split:
            return (single,)
        dose, total = shown(self._dose / self._days), shown(course.total / self._days)
        return (single, IvigOption(schedule="split", days=self._days, g_kg_day=dose, g_per_day=total))

    def _warnings(self, request: IvigRequest, course: Course) -> tuple[Caution, ...]:
        ideal = request.ideal_weight_kg
        found = [self._actual] if ideal is None else []
        if ideal is not None and ideal > request.weight_kg:
            found.append(self._above)
        if ideal is not None and self._is_far_below(exact(ideal) / exact(request.weight_kg)):
            found.append(self._far_below)
        if course.is_capped:
            found.append(self._capped)
        if request.cardiac_dysfunction is not False:
            found.append(self._split)
        return (*found, self._not_asked, self._guidance)

    def _steps(self, course: Course) -> tuple[str, ...]:
        first = f"{said(course.weight)} kg x {said(self._dose)} g/kg = {said(course.uncapped)} g"
        if course.is_capped:
            return (first, f"{said(course.uncapped)} g is above the cap: {said(self._cap)} g")
        return (first,)


def _dosing_weight(request: IvigRequest) -> Decimal:
    return exact(request.weight_kg if request.ideal_weight_kg is None else request.ideal_weight_kg)
