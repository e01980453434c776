"""What a safety case is made of, as its data files hold it and as it is served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Step = Annotated[int, Field(ge=1, le=5)]
ControlKind = Literal["inherent_design", "protective_measure", "information"]
HazardStatus = Literal["controlled", "tolerated", "open", "planned"]
RequirementStatus = Literal["verified", "planned"]
Acceptability = Literal["acceptable", "undesirable", "mandatory_elimination", "unacceptable"]
# The folder, the file, and the names within it; in brackets the case, where one of many is meant.
TestId = Annotated[str, Field(pattern=r"^tests/[a-z_/0-9]+\.py(::[A-Za-z_0-9]+){1,2}(\[.+\])?$", max_length=300)]


class Part(BaseModel):
    """Base of everything here: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RiskStep(Part):
    """One step of the severity or of the likelihood scale."""

    value: Step = Field(description="1 is the least, 5 the most")
    label: str = Field(description="In a word")
    meaning: str = Field(description="What it stands for here")


class RiskLevel(Part):
    """One level of risk."""

    level: Step = Field(description="1 is the least, 5 the most")
    acceptability: Acceptability = Field(description="What a risk of this level calls for")
    meaning: str = Field(description="The same in words")


class RiskMatrix(Part):
    """The 5 by 5 matrix: severity and likelihood give the level of a risk."""

    severity: tuple[RiskStep, ...] = Field(min_length=5, max_length=5, description="How bad the harm is")
    likelihood: tuple[RiskStep, ...] = Field(min_length=5, max_length=5, description="How often it is to be expected")
    levels: tuple[RiskLevel, ...] = Field(min_length=5, max_length=5, description="The levels and what they call for")
    risk: tuple[tuple[Step, ...], ...] = Field(
        description="Levels: a row for each likelihood from 1 to 5, in it a column for each severity from 1 to 5"
    )

    def level(self, severity: int, likelihood: int) -> RiskLevel:
        """Return the level of a risk."""
        return self.levels[self.risk[likelihood - 1][severity - 1] - 1]


class HazardControl(Part):
    """One control of a hazard and the tests that show it at work."""

    what: str = Field(description="What is done about it")
    kind: ControlKind = Field(
        description="inherent_design: the harm is designed out; protective_measure: it is stopped or noticed; "
        "information: the user is told"
    )
    tests: tuple[TestId, ...] = Field(
        default=(), description="pytest ids; one without brackets stands for every case of its test"
    )


class HazardRecord(Part):
    """One hazard as the log keeps it."""

    id: str = Field(pattern=r"^H-[A-Z]{3}-[0-9]{2}$", description="Stable id")
    hazard: str = Field(description="What can go wrong")
    cause: str = Field(description="How it comes about")
    effect: str = Field(description="What the service, or its user, then does")
    harm: str = Field(description="What may happen to a patient")
    severity: Step = Field(description="Severity of the harm, 1 to 5; controls do not change it")
    likelihood: Step = Field(description="Likelihood without the controls, 1 to 5")
    likelihood_after: Step = Field(description="Likelihood with the controls, 1 to 5; of a planned one: hoped for")
    control: tuple[HazardControl, ...] = Field(min_length=1, description="The controls")
    residual: str = Field(description="What is left, in words")
    status: HazardStatus = Field(
        description="controlled: the residual risk is acceptable; tolerated: undesirable, with the reason; open: more "
        "has to be done; planned: the controls are being built and are not yet verified here"
    )
    reason: str | None = Field(default=None, description="Why it is tolerated, or what is to be done about an open one")
    owner: str = Field(default="developer", description="Who has to act on it")
    date: str = Field(pattern=r"^20[0-9]{2}-[01][0-9]-[0-3][0-9]$", description="Last assessed")


class Hazard(HazardRecord):
    """One hazard with its risk by the matrix."""

    initial_risk: RiskLevel = Field(description="Level without the controls")
    residual_risk: RiskLevel = Field(description="Level with the controls; of a planned hazard still the one without")
    verification: tuple[TestId, ...] = Field(description="Every test of its controls; empty only while planned")


class SafetyRequirement(Part):
    """One requirement and the tests that verify it."""

    id: str = Field(pattern=r"^R-[A-Z]{3}-[0-9]{2}$", description="Stable id")
    text: str = Field(description="What the service must do")
    source: str = Field(description="Where it was asked for")
    tests: tuple[TestId, ...] = Field(default=(), description="pytest ids that verify it; empty only while planned")
    hazards: tuple[str, ...] = Field(default=(), description="Hazards that it helps to control")
    status: RequirementStatus = Field(default="verified", description="planned: being built, not yet verified here")


class IntendedUse(Part):
    """Who the service is for, and what it is not for. Nothing here is a clearance or an approval."""

    standing: tuple[str, ...] = Field(description="What no one has done: cleared, certified, signed off")
    purpose: str = Field(description="What it is for")
    users: tuple[str, ...] = Field(description="Who may use it")
    setting: tuple[str, ...] = Field(description="Where and how")
    patients: tuple[str, ...] = Field(description="Whom its rules are about")
    not_for: tuple[str, ...] = Field(description="What it is not made for")
    forbidden: tuple[str, ...] = Field(description="What it must not be used for")
    duties: tuple[str, ...] = Field(description="What the organisation that deploys it has to do")
    residual_risks: tuple[str, ...] = Field(description="What remains dangerous, told plainly")


class SoftwareClass(Part):
    """The software safety class that the developers argue for. No assessor has confirmed it."""

    proposed: Literal["A", "B", "C"] = Field(description="Class in the sense of IEC 62304")
    rationale: tuple[str, ...] = Field(description="Why")
    consequences: tuple[str, ...] = Field(description="What follows for the work")


class CardInput(Part):
    """One input of a rule set. Ranges are those of the service, wide on purpose."""

    name: str = Field(description="The request's field, or the analyte's name")
    unit: str | None = Field(default=None, description="Unit; null: none")
    possible: str | None = Field(default=None, description="Outside it is refused; null: no number, or no range")
    plausible: str | None = Field(default=None, description="Outside it is refused without an override")


class CardValidation(Part):
    """One piece of evidence for a rule set."""

    what: str = Field(description="What was compared with what")
    tests: tuple[TestId, ...] = Field(default=(), description="pytest ids")


class CardChange(Part):
    """One line of a rule set's change log."""

    version: str = Field(description="Version of the rule set")
    date: str = Field(description="When")
    what: str = Field(description="What changed")


class CardNotes(Part):
    """What people wrote about a rule set; the rest of its card comes from the rule file."""

    intended: str = Field(description="Intended use")
    forbidden: tuple[str, ...] = Field(min_length=1, description="What it must not be used for")
    inputs: tuple[str, ...] = Field(description="Request fields, or analytes by their names, that it looks at")
    logic: str = Field(description="How its numbers are put together")
    validation: tuple[CardValidation, ...] = Field(min_length=1, description="Evidence, and what is missing of it")
    failures: tuple[str, ...] = Field(min_length=1, description="How it fails")
    subgroups: str = Field(description="For whom it may hold less well")
    change: tuple[CardChange, ...] = Field(min_length=1, description="Change log, the newest last")


class AttributeUse(Part):
    """How a rule set uses attributes of a person, shortened to those that it uses."""

    name: str = Field(description="The attribute")
    use: str = Field(description="How it is used")


class AlgorithmCard(Part):
    """The card of one rule set."""

    id: str = Field(description="Id of the rule set")
    version: str = Field(description="Its version")
    sha256: str = Field(description="SHA-256 of its file")
    origin: Literal["built_in", "hospital"] = Field(
        description="hospital: a hospital's file stands in its place, and what is said of validation is not of it"
    )
    title: str = Field(description="What it holds")
    purpose: str = Field(description="What it decides or works out")
    intended: str = Field(description="Intended use")
    forbidden: tuple[str, ...] = Field(description="What it must not be used for")
    inputs: tuple[CardInput, ...] = Field(description="What it looks at")
    logic: str = Field(description="How its numbers are put together")
    rules: str = Field(description="Where every number stands with its source")
    sources: tuple[str, ...] = Field(description="Citations, and how closely each was read")
    validation: tuple[CardValidation, ...] = Field(description="Evidence, and what is missing of it")
    failures: tuple[str, ...] = Field(description="How it fails")
    subgroups: str = Field(description="For whom it may hold less well")
    attributes: tuple[AttributeUse, ...] = Field(description="Attributes of a person that it uses")
    limitations: tuple[str, ...] = Field(description="As the rule file states them")
    change: tuple[CardChange, ...] = Field(description="Change log, the newest last")


class CriterionMapping(Part):
    """How some operations stand to one criterion of the FDA's guidance."""

    criterion: Literal[1, 2, 3, 4] = Field(description="Which of the four")
    met: Literal["argued", "doubtful", "not_applicable"] = Field(
        description="argued: the developers think so; doubtful: honest doubt; not_applicable: no decision support"
    )
    how: str = Field(description="Why")
    doubt: str | None = Field(default=None, description="What speaks against it")
    tests: tuple[TestId, ...] = Field(default=(), description="pytest ids of what is claimed")


class EndpointMapping(Part):
    """Operations that are alike in what they decide."""

    paths: tuple[str, ...] = Field(min_length=1, description="Paths")
    what: str = Field(description="What they answer")
    criteria: tuple[CriterionMapping, ...] = Field(
        min_length=4, max_length=4, description="The four criteria, in order"
    )


class GuidanceMapping(Part):
    """The developers' own reading of the FDA's guidance on clinical decision support. The FDA has seen none of it."""

    title: str = Field(description="The document")
    standing: str = Field(description="What this mapping is, and is not")
    criteria: tuple[str, ...] = Field(min_length=4, max_length=4, description="The four criteria, paraphrased")
    endpoints: tuple[EndpointMapping, ...] = Field(description="Operations and criteria")


class AttributeMapping(Part):
    """One source attribute of the ONC's rule HTI-1 and where it is served."""

    attribute: str = Field(description="What the rule asks to be told")
    field: str = Field(description="Member of GET /v1/rules/{id}/source-attributes")
    note: str | None = Field(default=None, description="How it is read here")


class SoupRecord(Part):
    """What is known of one package that others wrote and the service runs on."""

    licence: str | None = Field(default=None, description="Its licence as its authors state it")
    purpose: str = Field(description="What it is used for")
    if_wrong: str = Field(description="What fails when it is wrong")
    check: str = Field(description="How that would be noticed")
    anomalies: tuple[str, ...] = Field(default=(), description="Known anomalies that matter here, and what is done")
    tests: tuple[TestId, ...] = Field(default=(), description="pytest ids of the checks")


class SoupItem(Part):
    """One package of unknown provenance in the sense of IEC 62304."""

    name: str = Field(description="Package")
    version: str | None = Field(description="Version that runs here; null: not installed on this platform")
    licence: str | None = Field(description="As the installed package states it, else as recorded; null: not known")
    brought_by: tuple[str, ...] = Field(description="The direct dependencies that bring it; empty: direct itself")
    record: SoupRecord | None = Field(description="What is known; null for a package that a direct one brings along")


class CaseSummary(Part):
    """Counts over the log."""

    hazards: int = Field(description="Hazards in all")
    by_status: dict[str, int] = Field(description="Hazards by status")
    by_residual_level: dict[str, int] = Field(description="Hazards by level of residual risk, 1 to 5")
    open: tuple[str, ...] = Field(description="Hazards of which more has to be done")
    planned: tuple[str, ...] = Field(description="Hazards whose controls are not yet verified here")
    requirements: int = Field(description="Requirements in all")
    rule_sets_without_card: tuple[str, ...] = Field(description="Rule sets of the hospital's own that nobody assessed")


class SafetyCase(Part):
    """The safety case of this release, by its developers. Nobody has cleared, certified or signed it off."""

    version: str = Field(description="Version of the service")
    use: IntendedUse = Field(description="Intended use")
    software_class: SoftwareClass = Field(description="Software safety class")
    matrix: RiskMatrix = Field(description="How risks are rated")
    summary: CaseSummary = Field(description="The log in numbers")
    hazards: tuple[Hazard, ...] = Field(description="The hazard log")
    requirements: tuple[SafetyRequirement, ...] = Field(description="Requirements and their tests")
    cards: tuple[AlgorithmCard, ...] = Field(description="A card for each rule set")
    fda_cds: GuidanceMapping = Field(description="The FDA's guidance on clinical decision support of January 2026")
    onc_hti_1: tuple[AttributeMapping, ...] = Field(description="Source attributes of the ONC's rule HTI-1")
    soup: tuple[SoupItem, ...] = Field(description="Software of others that the service runs on")
