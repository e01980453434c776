"""From a record to everything that is counted of it: one pure pass."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from app.clinical.anakinra.protocol import Protocols
from app.clinical.ctcae.terms import Versions
from app.clinical.flags import Flags, any_of
from app.clinical.quantities import Quantities
from app.clinical.rulebook import Rulebook
from app.clinical.rulebook.model import RuleRef
from app.cohorts.derivation.admission import Admitted, RecordAdmission, changed
from app.cohorts.derivation.anakinra_course import AnakinraCourse, Circumstances
from app.cohorts.derivation.characteristics import characteristics
from app.cohorts.derivation.child import PhenotypeFlags, TwoFlags, child_of
from app.cohorts.derivation.cytokines import folds
from app.cohorts.derivation.derived import Derived, Notes
from app.cohorts.derivation.echo import EchoPairs
from app.cohorts.derivation.event_grades import EventGrades
from app.cohorts.derivation.events import AdverseEvents
from app.cohorts.derivation.fever import Defervescence
from app.cohorts.derivation.fever_clocks import FeverClocks
from app.cohorts.derivation.findings import FindingsMaker, PatientFindings
from app.cohorts.derivation.lab_entries import LabEntries
from app.cohorts.derivation.labs import LabReader, LabReading
from app.cohorts.derivation.options import DEFAULTS, DerivationOptions
from app.cohorts.derivation.outcomes import Outcomes
from app.cohorts.derivation.record_parts import RecordNumbers, pointer_of
from app.cohorts.derivation.terms import EventTerms
from app.cohorts.derivation.treatment import Given, given
from app.cohorts.derivation.treatment import values_of as treatment_values
from app.cohorts.records import PatientRecord
from app.cohorts.strata import Stratum, phenotype_of, possible_phenotypes

RULES: Final = "misc-cohort-2023"
_TRUE: Final = {"yes": True, "no": False, "unknown": None}
_NOT_TIMED: Final = "A laboratory value without an hour has no place in time: it counts for nothing that is derived."


class Accepted:
    """A record as it is kept (at clinical precision) and what was derived of it."""

    __slots__ = ("derived", "record")

    def __init__(self, record: PatientRecord, derived: Derived) -> None:
        self.record = record
        self.derived = derived


class Deriver:
    """Derives records under one rulebook and one set of options. Built once; a record touches plain attributes only."""

    def __init__(self, rulebook: Rulebook, options: DerivationOptions = DEFAULTS) -> None:
        rules = rulebook[RULES]
        self._rulebook = rulebook
        self.options = options
        quantities = Quantities(rulebook)
        version = Versions(rulebook, quantities)(options.ctcae_version, "/ctcae_version")
        protocol = Protocols(rulebook).chosen(options.protocol)
        refractory = rulebook["ivig-refractory"]
        terms = EventTerms(version, rules)
        entries = LabEntries(quantities)
        grades = EventGrades(rulebook, version.version)
        self._events = AdverseEvents(version, rules, terms, grades)
        numbers = RecordNumbers(quantities, rules)
        self._labs = LabReader(entries, numbers, rules, self._events.analytes)
        self._admit = RecordAdmission(rulebook, numbers, self._labs, terms, grades)
        self._flags = PhenotypeFlags(Flags(rulebook))
        self._fever = Defervescence(rules)
        self._clocks = FeverClocks(self._fever)
        self._echo = EchoPairs(rules, rulebook["misc-phenotype-2023"])
        self._course = AnakinraCourse(protocol, refractory, options.refractory_definition, rules)
        self._outcome = Outcomes(rules)
        sets = ("aha-kd-2017", "misc-cv-shock-2023", "pals-hypotension", "misc-phenotype-2023", "who-anaemia-2024")
        used = (rules, *(rulebook[name] for name in sets), protocol.rules, refractory, version.rules, quantities.rules)
        self.rules: tuple[RuleRef, ...] = tuple(one.ref for one in used)

    def derive(self, record: PatientRecord) -> Derived:
        """Derive one record. Raises `RefusedInputError` naming every field at fault."""
        return self.accept(record).derived

    def accept(self, record: PatientRecord, text: str | None = None) -> Accepted:
        """Check a record, bring it to clinical precision and derive it.

        `text` is the record's canonical text; a struct that stands in for a record cannot be written without it.
        Keep the record that is returned, not the one that was sent: numbers with more digits than are kept were
        rounded, which `derived.rounded` names. Raises `RefusedInputError` naming every field at fault.
        """
        admitted = self._admit(record)
        rounded = []
        if admitted.changes:
            rounded = [{"field": pointer_of(path), "kept": number} for path, number in admitted.changes.items()]
            record = changed(text or record.model_dump_json(exclude_unset=True), admitted.changes)
            admitted = self._admit(record)
        derived = self._derive(record, admitted)
        derived.rounded = rounded
        return Accepted(record, derived)

    def findings(self, record: PatientRecord) -> PatientFindings:
        """Return the Findings behind what was derived of a record that was accepted."""
        reading = self._labs.read(record, [])
        derived = self.derive(record)
        events = self._events.accounts(given(record, Notes()), reading)
        return self._findings(record, reading, derived, events)

    @cached_property
    def _findings(self) -> FindingsMaker:
        return FindingsMaker(self._rulebook, self.options.refractory_definition)

    def _derive(self, record: PatientRecord, admitted: Admitted) -> Derived:
        notes, values = Notes(), dict[str, int]()
        for caution in admitted.cautions:
            notes.warn(caution.code, caution.message)
        reading = admitted.labs
        child = child_of(record)
        flags = self._flags(record, child, reading, notes)
        what = given(record, notes)
        stratum = Stratum(what.group, flags.cv_shock, flags.kd_like, what.corticosteroids, child.sex)
        facts = self._head(flags, what)
        characteristics(record, child, values, notes)
        _phenotype(flags, values)
        treatment_values(what, values)
        temperatures = self._fever.course(record, notes)
        critical = any_of(record.icu_level_of_care, _TRUE[flags.cv_shock])
        facts["critically_ill"] = critical
        course = self._course(record, Circumstances(what, critical, temperatures), values, notes)
        facts["anakinra"] = course
        facts["anakinra_role"] = None if course is None else course["role"]
        started = None if course is None else course["started_hour"]
        facts["defervescence"] = self._clocks(record, temperatures, what, started, values, notes)
        facts["echocardiograms"] = self._echo(record, values, notes)
        if record.cytokines is not None:
            facts["cytokines"] = folds(record.cytokines, values, notes)
        facts["adverse_events"] = self._events(record, what, reading, values, notes)
        facts["length_of_stay_days"] = self._outcome(record, values, notes)
        _first_labs(reading, values)
        if reading.without_hour:
            notes.warn("lab_without_hour", _NOT_TIMED)
        return Derived(stratum, values, facts, notes.disagreements, notes.warnings)

    @staticmethod
    def _head(flags: TwoFlags, what: Given) -> dict[str, Any]:
        kd, shock = flags.kd_like, flags.cv_shock
        return {
            "phenotype": phenotype_of(kd, shock),
            "possible_phenotypes": list(possible_phenotypes(kd, shock)),
            "kd_like": kd,
            "cv_shock": shock,
            "from_presentation": {
                "phenotype": phenotype_of(flags.derived_kd_like, flags.derived_cv_shock),
                "kd_like": flags.derived_kd_like,
                "cv_shock": flags.derived_cv_shock,
            },
            "treatment_group": what.group,
            "corticosteroids": what.corticosteroids,
        }


def _phenotype(flags: TwoFlags, values: dict[str, int]) -> None:
    """Write the four binary variables of the phenotype; one that a single flag decides does not wait for the other."""
    kd, shock = _TRUE[flags.kd_like], _TRUE[flags.cv_shock]
    if kd is not None:
        values["phenotype.kd_like"] = int(kd)
    if shock is not None:
        values["phenotype.cv_shock"] = int(shock)
    if kd is False or shock is False or (kd and shock):
        values["phenotype.kdss_like"] = int(bool(kd and shock))
    if kd or shock or (kd is False and shock is False):
        values["phenotype.non_specific"] = int(not (kd or shock))


def _first_labs(reading: LabReading, values: dict[str, int]) -> None:
    """Write the first value of each analyte; where the timed values have none, the one at presentation."""
    for results in (reading.at_presentation, reading.first):
        for result in results.values():
            name, value = result.entry.variable, result.lab.value
            if name is not None and value is not None:
                values[name] = result.entry.kept(value)
