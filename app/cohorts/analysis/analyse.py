"""The analysis of one cohort: a pure function of its strata and tallies and of what is asked."""

from __future__ import annotations

from app.clinical.rulebook import RuleRef
from app.cohorts.analysis.adjusted import adjusted, tests_of
from app.cohorts.analysis.answers import Analysis, Section
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.heart import Normal
from app.cohorts.analysis.methods import cautions, methods
from app.cohorts.analysis.sections import OneSection, Sections
from app.cohorts.analysis.selection import Question
from app.cohorts.disclosure.withhold import sized
from app.cohorts.store.model import Cohort
from app.statistics.checkpoint import checkpoint


def analyse(cohort: Cohort, counts: Counts, question: Question, normal: Normal) -> Analysis:
    """Answer every section that is asked for, over the patients that `where` selects."""
    maker = Sections(counts, question, normal)
    head = maker.division(None)
    made: dict[Section, OneSection] = {}
    for name in question.sections:
        checkpoint()
        made[name] = maker.make(name)
    if question.adjust is not None:
        made = {name: adjusted(section, question.adjust) for name, section in made.items()}
    tests = tuple(test for section in made.values() for test in tests_of(section))
    divisions = {name: maker.division(name, anakinra_only=name == "anakinra") for name in made}
    told = None if maker.teller is None else maker.teller.told
    return Analysis.model_validate(
        {
            "cohort_id": cohort.id,
            "version": cohort.version,
            "section": question.sections[0] if len(question.sections) == 1 else None,
            "by": head.axis.name,
            "where": dict(question.where),
            **sized(head, maker.teller),
            "quantile_method": question.quantile_method,
            "adjust": question.adjust,
            "confidence": question.confidence,
            "interval": question.interval,
            "disclosure": told,
            "methods": methods(question, tests, told),
            "warnings": cautions(head, divisions, tests, maker.teller),
            "rules": tuple(RuleRef(**{k: rule[k] for k in RuleRef.model_fields}) for rule in cohort.rules),
            **made,
        }
    )
