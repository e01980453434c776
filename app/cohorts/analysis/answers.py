"""What an analysis answers: the head, and one part for each section. Light to import: models only."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.rulebook import RuleRef
from app.clinical.warning import Caution
from app.statistics.survival_models import CurvePoint, HazardRatio, RestrictedMean, TimeEstimate

Section = Literal[
    "characteristics", "anakinra", "adverse_events", "cytokines", "labs", "defervescence", "cardiac", "missing"
]
SECTIONS: Final[tuple[Section, ...]] = (
    "characteristics",
    "anakinra",
    "adverse_events",
    "cytokines",
    "labs",
    "defervescence",
    "cardiac",
    "missing",
)
By = Literal["treatment", "cv_shock", "kd_like", "phenotype", "corticosteroids", "sex", "treatment_corticosteroids"]
Adjust = Literal["holm", "benjamini_hochberg"]
QuantileMethod = Literal["weibull", "linear"]
Interval = Literal["log-log", "log", "plain"]
TimeZero = Literal["admission", "anakinra_start"]


Reason = Literal["small_numbers", "derived", "not_released"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Hidden(_Part):
    """Why numbers are withheld. It does not say which of the numbers concerned is small: that alone would tell some."""

    reason: Reason = Field(
        description="`small_numbers`: one of the numbers here, or of those it could be reckoned from, counts too few "
        "patients; `derived`: made from numbers that are withheld, or would give them back; `not_released`: never "
        "shown under this profile, because it may be a single patient's"
    )
    profile: str = Field(description="The profile, or several joined by +", examples=["cms"])


def _absent(value: object) -> bool:
    return value is None


class _Told(_Part):
    hidden: Hidden | None = Field(
        default=None,
        exclude_if=_absent,
        description="Why numbers here are null; absent where nothing is withheld",
    )


class Disclosure(_Part):
    """Under which disclosure policy an answer is. Groups whose numbers are withheld are left out of the tests."""

    profile: str = Field(description="The profile that holds, or several joined by +: then the stricter of each rule")
    threshold: int = Field(description="Counts from 1 to this number are withheld, and what would give them back")
    zero_shown: bool = Field(description="Whether a count of 0 is shown")
    rounded_to: int = Field(description="Counts shown are rounded to the nearest multiple of this; 1: not rounded")


class GroupHead(_Told):
    """One group of patients."""

    group: str = Field(description="The value of the axis that the analysis is divided by", examples=["ivig_anakinra"])
    label: str = Field(description="The group in words")
    n: int | None = Field(ge=0, description="Patients in the group")
    in_tests: bool = Field(
        description="Whether tests compare this group: not when the axis is unknown for its patients, nor when empty"
    )


class Summary(_Part):
    """Median and quartiles of what is known; null when nothing is."""

    median: float | None = Field(default=None, description="Median")
    q1: float | None = Field(default=None, description="First quartile, by the analysis' quantile method")
    q3: float | None = Field(default=None, description="Third quartile, by the analysis' quantile method")


class GroupCell(_Told):
    """One variable in one group."""

    group: str = Field(description="The group; `all` in `overall`")
    n: int | None = Field(
        ge=0,
        description="Patients of the group to whom the variable applies, those whose value is missing included: "
        "n - n_missing values are known. (The n of the endpoints under /v1/statistics counts known values only.)",
    )
    n_missing: int | None = Field(ge=0, description="Patients among `n` whose value is not known; nothing is imputed")
    count: int | None = Field(default=None, ge=0, description="Patients with the trait (binary rows)")
    percent: float | None = Field(
        default=None, ge=0, le=100, description="100 x count / (n - n_missing); null when nothing is known"
    )
    median: float | None = Field(default=None, description="Median of the known values (continuous rows)")
    q1: float | None = Field(default=None, description="First quartile (continuous rows)")
    q3: float | None = Field(default=None, description="Third quartile (continuous rows)")


class TestResult(_Told):
    """A test over the groups, two-sided. `p_value` is null only with a `reason`: a row without differences has none."""

    __test__ = False  # not a test of pytest's

    method: str = Field(description="The method by name")
    exact: bool = Field(description="Exact (conditional) distribution; false: asymptotic")
    statistic: float | None = Field(default=None, description="The method's statistic; null where it has none")
    degrees_of_freedom: int | None = Field(default=None, description="Degrees of freedom of a chi-square statistic")
    p_value: float | None = Field(default=None, ge=0, le=1, description="Two-sided, unadjusted")
    p_value_adjusted: float | None = Field(
        default=None, ge=0, le=1, description="Adjusted over the tests of the section when `adjust` was asked for"
    )
    reason: str | None = Field(default=None, description="Why there is no p-value, or what to know about it")


class Row(_Part):
    """One variable over all groups."""

    variable: str = Field(description="Stable name", examples=["age_years"])
    label: str = Field(description="The variable in words")
    kind: Literal["binary", "continuous"] = Field(description="What the cells hold: count and percent, or quartiles")
    unit: str | None = Field(description="Unit of continuous values")
    groups: tuple[GroupCell, ...] = Field(description="One cell per group, in the order of the section's groups")
    overall: GroupCell = Field(description="All groups together, patients of unknown group included")
    test: TestResult | None = Field(description="Comparison of the groups; null when there is nothing to compare")
    pearson_chi_square: TestResult | None = Field(
        default=None, description="Beside an exact test of more than two groups: Pearson's, without correction"
    )
    note: str | None = Field(default=None, description="What to know about the variable")


class GradeCell(_Told):
    """How one adverse event is graded in one group."""

    group: str = Field(description="The group")
    n: int | None = Field(ge=0, description="Patients in the group, those whose grade is missing included")
    n_missing: int | None = Field(ge=0, description="Patients among `n` whose grade is not known, or was not decided")
    counts: tuple[int | None, ...] = Field(description="Patients with grade 0, 1, 2, 3, 4, 5, in this order")


class GradeRow(_Part):
    """One adverse event by grade."""

    variable: str = Field(description="Stable name", examples=["ae.neutropenia.grade"])
    label: str = Field(description="The event in words")
    groups: tuple[GradeCell, ...] = Field(description="One cell per group")
    overall: GradeCell = Field(description="All groups together")


class TableSection(_Told):
    """A table: one row per variable."""

    title: str = Field(description="What the table shows")
    by: By = Field(description="The axis that this table is divided by")
    n: int | None = Field(ge=0, description="Patients in the table")
    groups: tuple[GroupHead, ...] = Field(description="The columns of the table")
    rows: tuple[Row, ...] = Field(description="The variables in order")


class AdverseEvents(TableSection):
    """Table 3: how many patients had each event, and by grade."""

    grades: tuple[GradeRow, ...] = Field(description="The events that CTCAE grades, by grade")


class Exclusion(_Part):
    """Patients who are not in a curve, and why."""

    reason: str = Field(description="Stable code of the reason")
    label: str = Field(description="The reason in words")
    n: int = Field(ge=0, description="Patients")


class FeverCurve(_Told):
    """The time to defervescence in one group."""

    group: str = Field(description="The group")
    n: int | None = Field(ge=0, description="Patients on the curve; n_excluded and n_missing come on top of them")
    n_excluded: int | None = Field(
        ge=0, description="Patients left out because it is known that they had no fever to follow: not missing data"
    )
    excluded: tuple[Exclusion, ...] = Field(default=(), description="Why they are left out")
    n_missing: int | None = Field(
        ge=0, description="Patients left out for want of data: n_missing of the section `missing`"
    )
    missing: tuple[Exclusion, ...] = Field(default=(), description="Which data are wanting, where that is known")
    events: int | None = Field(ge=0, description="Defervescences observed")
    expected: float | None = Field(
        default=None, description="Events expected if the groups were alike (log-rank); null when there is no test"
    )
    median: TimeEstimate = Field(description="Median hours to defervescence; null when never half were afebrile")
    restricted_mean: RestrictedMean = Field(description="Mean febrile hours up to `restricted_mean_horizon_hours`")
    curve: tuple[CurvePoint, ...] = Field(description="The Kaplan-Meier curve with its limits")


class FeverCurves(_Told):
    """The time to defervescence from one time zero, over the groups."""

    time_zero: TimeZero = Field(description="What hour 0 is")
    sustained: bool = Field(description="Whether only a defervescence counts that was sustained")
    by: By = Field(description="The axis that the curves are divided by")
    n: int | None = Field(ge=0, description="Patients in the curves")
    groups: tuple[GroupHead, ...] = Field(description="The groups")
    curves: tuple[FeverCurve, ...] = Field(description="One curve per group, in the order of the groups")
    log_rank: TestResult | None = Field(
        description="Log-rank test over the groups; null when there is nothing to compare"
    )
    gehan_breslow: TestResult | None = Field(description="Gehan-Breslow test (weights: number at risk)")
    hazard_ratio: HazardRatio | None = Field(
        default=None, description="For two groups: above 1, `of` defervesces sooner than `to`; null for more"
    )
    restricted_mean_horizon_hours: float | None = Field(
        default=None,
        description="Horizon of the restricted means: the longest time that every group in the tests reaches",
    )


class Defervescence(_Part):
    """Figure 1A-B: how long fever lasts."""

    title: str = Field(description="What the section shows")
    from_admission: FeverCurves | None = Field(default=None, description="Hours since admission")
    from_anakinra_start: FeverCurves | None = Field(
        default=None, description="Hours since the first dose of anakinra, patients with anakinra only"
    )
    sustained_from_admission: FeverCurves | None = Field(
        default=None, description="Like `from_admission`, for sustained defervescence; when asked for"
    )
    sustained_from_anakinra_start: FeverCurves | None = Field(
        default=None, description="Like `from_anakinra_start`, for sustained defervescence; when asked for"
    )


class PairedGroup(_Told):
    """A measurement of the heart in one group: first, follow-up, and the paired differences."""

    group: str = Field(description="The group; `all` in `overall`")
    n: int | None = Field(ge=0, description="Patients in the group, those without a measurement included")
    n_first: int | None = Field(ge=0, description="Patients with a first measurement")
    n_pairs: int | None = Field(ge=0, description="Patients with a first and a follow-up measurement")
    first: Summary = Field(description="The first measurement, of all who have one")
    follow_up: Summary = Field(description="The follow-up measurement")
    paired_first: Summary = Field(description="The first measurement of the patients with a pair")
    difference: Summary = Field(description="Follow-up minus first, of the pairs")
    pairs: tuple[tuple[float, float, int], ...] = Field(
        description="Distinct pairs (first, follow-up, patients), for drawing; at most 1,000, else empty"
    )
    test: TestResult = Field(description="Wilcoxon matched-pairs signed rank test of the differences")


class PairedMeasure(_Part):
    """One measurement of the heart over the groups."""

    variable: str = Field(description="`lvef` or `strain`")
    label: str = Field(description="The measurement in words")
    unit: str = Field(description="Unit")
    groups: tuple[PairedGroup, ...] = Field(description="One entry per group")
    overall: PairedGroup = Field(description="All groups together")
    normal_above: float | None = Field(default=None, description="Normal above this value")
    normal: float | None = Field(default=None, description="The study's normal value")
    reduced: Row | None = Field(default=None, description="Patients whose first measurement is reduced")


class Cardiac(_Told):
    """Figure 1C-D: the heart at first and at follow-up."""

    title: str = Field(description="What the section shows")
    by: By = Field(description="The axis that the section is divided by")
    n: int | None = Field(ge=0, description="Patients in the section")
    groups: tuple[GroupHead, ...] = Field(description="The groups")
    lvef: PairedMeasure = Field(description="Left ventricular ejection fraction")
    strain: PairedMeasure = Field(description="Apical four-chamber longitudinal strain; more negative is stronger")
    follow_up_day: Row = Field(description="Day of the follow-up echocardiogram")


class MissingCell(_Told):
    """How often one variable is not known in one group."""

    group: str = Field(description="The group; `all` in `overall`")
    n: int | None = Field(ge=0, description="Patients of the group to whom the variable applies")
    n_missing: int | None = Field(ge=0, description="Patients among `n` whose value is not known")
    percent: float | None = Field(ge=0, le=100, description="100 x n_missing / n; null when n is 0")


class MissingRow(_Part):
    """How often one variable is not known."""

    variable: str = Field(description="Stable name")
    label: str = Field(description="The variable in words")
    groups: tuple[MissingCell, ...] = Field(description="One cell per group")
    overall: MissingCell = Field(description="All groups together")


class Missing(_Told):
    """What is not known, variable by variable."""

    title: str = Field(description="What the section shows")
    by: By = Field(description="The axis that the section is divided by")
    n: int | None = Field(ge=0, description="Patients in the section")
    groups: tuple[GroupHead, ...] = Field(description="The groups")
    rows: tuple[MissingRow, ...] = Field(description="Every variable, in the catalogue's order")


class Analysis(_Told):
    """The analysis of a cohort: the head, and the sections asked for (the others are left out)."""

    cohort_id: str = Field(description="The cohort")
    version: int = Field(ge=0, description="The cohort's version that was analysed")
    section: Section | None = Field(default=None, description="The one section asked for; null: all")
    by: By = Field(description="The axis asked for, or `treatment`; each section says its own")
    where: dict[str, tuple[str, ...]] = Field(description="The patients it was narrowed to: axis and its values")
    n: int | None = Field(ge=0, description="Patients in the analysis")
    groups: tuple[GroupHead, ...] = Field(description="The groups of `by`")
    quantile_method: QuantileMethod = Field(description="`weibull` is R's type 6, `linear` R's type 7")
    adjust: Adjust | None = Field(description="How p-values are adjusted within a section; null: not at all")
    confidence: float = Field(description="Level of the confidence limits")
    interval: Interval = Field(description="Transformation of the limits of Kaplan-Meier curves")
    characteristics: TableSection | None = Field(default=None, description="Table 1: who the patients are")
    anakinra: TableSection | None = Field(default=None, description="Table 2: how anakinra was given, to whom it was")
    adverse_events: AdverseEvents | None = Field(default=None, description="Table 3: adverse events by CTCAE")
    cytokines: TableSection | None = Field(default=None, description="Table 4: fold differences to the upper limit")
    labs: TableSection | None = Field(default=None, description="First laboratory values of the first 24 h")
    defervescence: Defervescence | None = Field(default=None, description="Figure 1A-B: time to defervescence")
    cardiac: Cardiac | None = Field(default=None, description="Figure 1C-D: ejection fraction and strain")
    missing: Missing | None = Field(default=None, description="What is not known")
    disclosure: Disclosure | None = Field(
        default=None, exclude_if=_absent, description="The disclosure policy; absent where nothing is withheld"
    )
    methods: tuple[str, ...] = Field(description="How it was computed, in sentences, with software versions")
    warnings: tuple[Caution, ...] = Field(description="What to know before the numbers are used")
    rules: tuple[RuleRef, ...] = Field(description="The rule sets that the cohort's variables were derived by")

    @property
    def exact(self) -> bool:
        """Whether counts are as they are; differences of rounded ones are wrong, and may be small."""
        return self.disclosure is None or self.disclosure.rounded_to == 1
