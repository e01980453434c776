"""How an analysis was made, in sentences; which software; and what to know before its numbers are used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from typing import Final

from app import __version__
from app.clinical.warning import Caution
from app.cohorts.analysis.answers import Disclosure, GroupHead, Section, TestResult
from app.cohorts.analysis.division import Division
from app.cohorts.analysis.kruskal_wallis import POOR, SMALL
from app.cohorts.analysis.rows import yes
from app.cohorts.analysis.selection import Question
from app.cohorts.disclosure.withhold import Teller
from app.cohorts.variables import NOT_LISTED
from app.statistics.fisher import PAST_LIMIT
from app.statistics.mann_whitney import ASYMPTOTIC as MANN_WHITNEY
from app.statistics.signed_rank import ASYMPTOTIC as SIGNED_RANK

_QUANTILES: Final = {
    "weibull": "Weibull's rule (n + 1)p, R's type 6, as GraphPad Prism computes them",
    "linear": "linear interpolation (n - 1)p + 1, R's type 7",
}
_ADJUST: Final = {
    "holm": "p-values are adjusted by Holm's method over the tests of each section",
    "benjamini_hochberg": "p-values are adjusted by Benjamini and Hochberg's method over the tests of each section",
}
_MISSING: Final = (
    "Missing values are not imputed: percentages and tests are over the known values, and how many are missing is "
    "said beside them."
)
_NOT_LISTED: Final = (
    "Where treatments were listed for a patient, those that are not in the list count as not given; where none were "
    "listed at all, treatment is unknown. Who was given anakinra while it is not known whether IVIG was is in no "
    "treatment group, and not among those who were given anakinra."
)
_EXACT: Final = (
    "Tests are two-sided. Where an exact computation would pass the documented size, an asymptotic one is used and "
    "named as such. Where every known value is the same, or every difference of a pair zero, nothing is tested."
)
# An asymptotic result of one of these means that the exact computation was too large.
_COULD_BE_EXACT: Final = (MANN_WHITNEY, SIGNED_RANK, PAST_LIMIT)
_FORMS: Final = "A variable that makes the groups is not tested."
_FEVER: Final = (
    "Defervescence is the first oral or rectal temperature below the rule set's limit; curves are Kaplan and Meier's, "
    "{level}% limits by Greenwood's variance on the {interval} scale, medians where the curve crosses one half with "
    "limits by Brookmeyer and Crowley. Restricted means reach to the longest time that every compared group is "
    "followed. Who had no fever to follow is left out; who lacks the data to follow it is missing."
)
_NOT_AT_RANDOM: Final = (
    "Treatment was not assigned at random: who was given what followed how ill the patients were. A difference between "
    "groups by treatment is therefore not an effect of the treatment."
)
_BEFORE_ANAKINRA: Final = (
    "Time from admission begins before anakinra does: hours of fever before its first dose count for the groups that "
    "were given it."
)
_BY_TREATMENT: Final = frozenset({"treatment", "treatment_corticosteroids", "corticosteroids"})
_TWO: Final = 2
_NOBODY: Final = Caution(code="no_patients", message="No patient is selected: every number is 0 or null.")
_WITHHELD: Final = Caution(
    code="numbers_withheld",
    message="Small numbers, and what they could be reckoned from, are withheld: `disclosure` says by which rule.",
)
_HEART: Final = "First and follow-up measurements are compared within patients."


def methods(question: Question, tests: tuple[TestResult, ...], disclosure: Disclosure | None = None) -> tuple[str, ...]:
    """Say how the numbers were made: one sentence per method, the tests by the names they answer with."""
    withheld = () if disclosure is None else _withheld(disclosure)
    return (*withheld, *_sentences(question, tests))


def _withheld(disclosure: Disclosure) -> Iterator[str]:
    """Say what is withheld, and by which rule."""
    zero = "" if disclosure.zero_shown else ", and of 0,"
    yield (
        f"Disclosure profile {disclosure.profile}: counts of 1 to {disclosure.threshold} patients{zero} are withheld, "
        "and whatever they could be reckoned from; withheld numbers are null and say why. Groups are withheld whole, "
        "those named last first."
    )
    if disclosure.rounded_to > 1:
        yield (
            f"Counts are rounded to the nearest {disclosure.rounded_to}, and percentages are made of rounded counts. "
            "Tests are withheld."
        )
    yield "Pairs, extremes and times of single patients are not shown; curves go in steps that stand for many patients."


def _sentences(question: Question, tests: tuple[TestResult, ...]) -> Iterator[str]:
    yield f"Continuous variables are given as median and quartiles by {_QUANTILES[question.quantile_method]}."
    yield _MISSING
    yield _NOT_LISTED
    names = sorted({test.method for test in tests if test.p_value is not None})
    if names:
        yield f"Tests used: {'; '.join(names)}."
    yield _EXACT
    yield _FORMS
    if question.adjust is not None:
        yield f"{_ADJUST[question.adjust]}; the unadjusted ones stand beside them."
    else:
        yield "p-values are not adjusted for the number of tests."
    if "defervescence" in question.sections:
        yield _FEVER.format(level=f"{100 * question.confidence:g}", interval=question.interval)
    if "cardiac" in question.sections:
        yield _HEART
    yield from _limits(question)
    yield _software()


def _limits(question: Question) -> Iterator[str]:
    """Say what the numbers do not show, where patients are divided by what they were given."""
    divided = {section for section in question.sections if question.axis_of(section) in _BY_TREATMENT}
    if divided:
        yield _NOT_AT_RANDOM
    if "defervescence" in divided and question.time_zero != "anakinra_start":
        yield _BEFORE_ANAKINRA


@cache
def _software() -> str:
    names = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy"))
    return f"Computed by Defervesce {__version__} from the tallies kept with the cohort, with {names}."


def cautions(
    head: Division, sections: dict[Section, Division], tests: tuple[TestResult, ...], teller: Teller | None = None
) -> tuple[Caution, ...]:
    """Say what to know before the numbers are used; where numbers are withheld, what is told of them alone."""
    if teller is None:
        return tuple(_cautions(head, sections, tests))
    return (_WITHHELD, *_told(head, sections, tests, teller))


def _told(
    head: Division, sections: dict[Section, Division], tests: tuple[TestResult, ...], teller: Teller
) -> Iterator[Caution]:
    """Say what follows from tests that are shown, and from sizes that are all shown."""
    if teller.count(head.n, head.chosen[-1]) == 0:
        yield _NOBODY
        return
    sizes = {
        name: [teller.count(division.sizes[place], division.chosen[place]) for place in division.named]
        for name, division in sections.items()
    }
    yield from _alone([name for name, n in sizes.items() if None not in n and sum(map(bool, n)) < _TWO])
    yield from _of_tests(tests)


def _cautions(head: Division, sections: dict[Section, Division], tests: tuple[TestResult, ...]) -> Iterator[Caution]:
    if not head.n:
        yield _NOBODY
        return
    for division in {d.axis.name: d for d in (*reversed(sections.values()), head)}.values():
        for group in division.heads:
            if _is_left_out(division, group):
                yield Caution(
                    code="unknown_group_not_tested",
                    message=f"{group.n} of {division.n} patients are in no group of {division.axis.title}: it is not "
                    f"known. They are shown as {group.group!r} and left out of the tests.",
                )
    if unlisted := yes(head.split(NOT_LISTED).overall):
        yield Caution(
            code="treatment_not_listed_taken_as_not_given",
            message=f"For {unlisted} of {head.n} patients not every treatment was listed: what was not listed was "
            "taken as not given.",
        )
    yield from _alone([name for name, division in sections.items() if len(division.tested) < _TWO])
    yield from _of_tests(tests)


def _alone(alone: list[Section]) -> Iterator[Caution]:
    if alone:
        yield Caution(
            code="nothing_to_compare",
            message=f"Fewer than two groups have patients, so there are no comparisons in: {', '.join(alone)}.",
        )


def _of_tests(tests: tuple[TestResult, ...]) -> Iterator[Caution]:
    if any(not test.exact and test.method.startswith(_COULD_BE_EXACT) for test in tests):
        yield Caution(
            code="asymptotic_past_exact_limit",
            message="Some tests passed the size of exact computation; they are asymptotic, as their method says.",
        )
    poor = sum((test.reason or "").startswith(POOR) for test in tests)
    if poor:
        yield Caution(
            code="approximation_poor",
            message=f"{poor} of the Kruskal-Wallis tests compare groups of fewer than {SMALL} values, for which the "
            "chi-square approximation is poor.",
        )


def _is_left_out(division: Division, group: GroupHead) -> bool:
    return group.group == division.axis.unknown and (group.n or 0) > 0
