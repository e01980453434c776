"""From an analysis to a report: which tables and figures stand in it, in which order, and under which names."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from app import __version__
from app.cohorts.analysis.answers import Analysis, FeverCurves, TableSection
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.selection import Question
from app.cohorts.figures import NAMES, FigureName, drawing
from app.cohorts.figures.gather import Picture, pictures
from app.cohorts.figures.numbers import count
from app.cohorts.report.fever_tables import echo_table, fever_table, heart_table
from app.cohorts.report.tables import missing_table, table
from app.cohorts.report.view import Disagreement, Plate, Report, RuleSet, Table
from app.cohorts.store.model import Cohort
from app.statistics.checkpoint import checkpoint

_LIBRARIES: Final = ("numpy", "scipy", "matplotlib", "jinja2", "pydantic", "sqlalchemy")
_LETTERS: Final = "ABCDEFGH"
_DISAGREED = tuple[tuple[Disagreement, ...], str]


def compose(cohort: Cohort, analysis: Analysis, counts: Counts, question: Question, differ: _DISAGREED) -> Report:
    """Put a report together; the figures are drawn here."""
    links = Links(question)
    plates = list(_plates(analysis, counts, question, links))
    gaps = [plate for plate in plates if plate.anchor.startswith("figure-missing")]
    missing = analysis.missing
    if missing is None:
        raise ValueError("a report is made of a whole analysis")
    return Report(
        name=cohort.name,
        description=cohort.description,
        facts=_facts(cohort, analysis, question),
        warnings=tuple(warning.message for warning in analysis.warnings),
        methods=tuple(sentence.replace("`", "") for sentence in analysis.methods),
        tables=tuple(_tables(analysis, links)),
        plates=tuple(plate for plate in plates if plate not in gaps),
        missing=missing_table(missing, links.csv("missing")),
        missing_plates=tuple(gaps),
        disagreements=differ[0],
        disagreements_told=differ[1],
        rules=tuple(RuleSet(rule.id, rule.version, rule.sha256) for rule in analysis.rules),
        software=_software(),
        parameters=_parameters(analysis, question),
        analysis_link=links.to("analysis"),
    )


class Links:
    """Addresses relative to the report's own, with what was asked."""

    def __init__(self, question: Question) -> None:
        default = Question()
        asked: list[tuple[str, str]] = [("by", question.by)] if question.by else []
        asked += [("where", f"{axis}:{','.join(values)}") for axis, values in question.where]
        for name in ("quantile_method", "adjust", "confidence", "interval"):
            if getattr(question, name) != getattr(default, name):
                asked.append((name, str(getattr(question, name))))
        self.asked = [*asked, *_profile(question)]
        self.clock: list[tuple[str, str]] = [("time_zero", question.time_zero)] if question.time_zero else []
        self.clock += [("sustained", "true")] if question.sustained else []

    def to(self, path: str, *more: tuple[str, str]) -> str:
        """Return the address of a path with what was asked, and more."""
        query = urlencode([*self.asked, *more], safe=":,")
        return f"{path}?{query}" if query else path

    def csv(self, section: str) -> str:
        """Return the address of a section as CSV."""
        clock = self.clock if section == "defervescence" else []
        return self.to(f"analysis/{section}", *clock, ("format", "csv"))


def _profile(question: Question) -> Iterator[tuple[str, str]]:
    """Name the profile that asks for the same policy again: the one that was added to the server's."""
    policies = question.disclosure.chain
    if policies:
        server, *_ = policies[0].profiles
        yield "disclosure", next((name for name in policies[-1].profiles if name != server), server)


def _facts(cohort: Cohort, analysis: Analysis, question: Question) -> tuple[tuple[str, str], ...]:
    selected = "; ".join(
        f"{AXES[axis].title}: {', '.join(AXES[axis].labels[value] for value in values)}"
        for axis, values in question.where
    )
    whole = analysis.n == cohort.n or analysis.disclosure is not None
    patients = count(analysis.n) if whole else f"{count(analysis.n)} of {count(cohort.n)}"
    return (
        ("Patients", patients),
        *((("Selected", selected),) if selected else ()),
        ("Groups", "; ".join(f"{head.label} {count(head.n)}" for head in analysis.groups) or "none"),
        ("Cohort", f"{cohort.id}, version {cohort.version}"),
        ("Last changed", cohort.updated_at.strftime("%Y-%m-%d %H:%M UTC")),
    )


def _parameters(analysis: Analysis, question: Question) -> tuple[tuple[str, str], ...]:
    where = "; ".join(f"{axis}:{','.join(values)}" for axis, values in question.where)
    return (
        ("Divided by (by)", question.by or "the study's own axis for each section"),
        ("Narrowed to (where)", where or "all patients"),
        ("Quartiles (quantile_method)", analysis.quantile_method),
        ("Adjustment (adjust)", analysis.adjust or "none"),
        ("Limits (confidence, interval)", f"{analysis.confidence:g}, {analysis.interval}"),
        ("Time zero (time_zero)", question.time_zero or "admission, and start of anakinra"),
        ("Sustained curves (sustained)", "yes" if question.sustained else "no"),
        *((("Disclosure profile", analysis.disclosure.profile),) if analysis.disclosure else ()),
    )


def _software() -> tuple[tuple[str, str], ...]:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (("Software", f"Defervesce {__version__}, Python {platform.python_version()}, {libraries}"),)


def _tables(analysis: Analysis, links: Links) -> Iterator[Table]:
    numbered: tuple[tuple[str, TableSection | None], ...] = (
        ("characteristics", analysis.characteristics),
        ("anakinra", analysis.anakinra),
        ("adverse_events", analysis.adverse_events),
        ("cytokines", analysis.cytokines),
    )
    for number, (section, found) in enumerate(numbered, 1):
        if found is not None:
            yield table(f"Table {number}", found, f"table-{number}", links.csv(section))
    if analysis.labs is not None and analysis.labs.rows:
        yield table("Laboratory values", analysis.labs, "table-labs", links.csv("labs"))
    for number, curves in enumerate(_curves(analysis)):
        name = f"Defervescence {_LETTERS[number]}"
        anchor, csv = f"table-defervescence-{number + 1}", links.csv("defervescence")
        yield fever_table(name, curves, anchor, csv, exact=analysis.exact)
    if (heart := analysis.cardiac) is not None:
        for measure, name in ((heart.lvef, "Ejection fraction"), (heart.strain, "Strain")):
            yield heart_table(name, measure, heart, f"table-{measure.variable}", links.csv("cardiac"))
        yield echo_table(heart, links.csv("cardiac"))


def _curves(analysis: Analysis) -> Iterator[FeverCurves]:
    fever = analysis.defervescence
    if fever is not None:
        yield from filter(None, (fever.from_admission, fever.from_anakinra_start))
        yield from filter(None, (fever.sustained_from_admission, fever.sustained_from_anakinra_start))


def _plates(analysis: Analysis, counts: Counts, question: Question, links: Links) -> Iterator[Plate]:
    """Draw every figure. Figure 1 has the letters of the study's: fever first, then the heart."""
    letter = 0
    for name in NAMES:
        checkpoint()
        clocks = [_clock(curves) for curves in _curves(analysis)] if name == "defervescence" else [()]
        for number, (picture, clock) in enumerate(
            zip(pictures(name, analysis, counts, question), clocks, strict=True), 1
        ):
            anchor = f"figure-{name.replace('_', '-')}" + (f"-{number}" if len(clocks) > 1 else "")
            called = f"Figure 1{_LETTERS[letter]}" if name in {"defervescence", "lvef", "strain"} else _NAMES[name]
            letter += 1
            yield _plate(
                picture,
                called,
                anchor,
                (links.to(f"figures/{name}.svg", *clock), links.to(f"figures/{name}.png", *clock)),
            )


_NAMES: Final[dict[FigureName, str]] = {
    "cytokines": "Figure 2",
    "adverse_events": "Figure 3",
    "missing": "Figure 4",
}


def _clock(curves: FeverCurves) -> tuple[tuple[str, str], ...]:
    """Return the parameters that ask for these curves alone."""
    zero = ("time_zero", curves.time_zero)
    return (zero, ("sustained", "true")) if curves.sustained else (zero,)


def _plate(picture: Picture, name: str, anchor: str, links: tuple[str, str]) -> Plate:
    svg = Markup(drawing.svg_of(anchor, picture.title, picture.contents, headed=False).decode().strip())  # noqa: S704  # drawn here, texts escaped
    return Plate(anchor, name, picture.title, svg, *links)
