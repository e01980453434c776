"""Figures and reports of stored cohorts: read in one snapshot, computed, drawn. Loads numpy, matplotlib and jinja2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from app.clinical.rulebook import Rulebook
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.heart import Normal
from app.cohorts.analysis.sections import variables_of
from app.cohorts.analysis.selection import Question
from app.cohorts.analysis.service import Kept, etag_of, normal_of
from app.cohorts.figures import FigureName, drawing
from app.cohorts.figures.gather import SECTION, Picture, pictures
from app.cohorts.report.compose import compose
from app.cohorts.report.disagreements import WITHHELD, counted
from app.cohorts.report.page import policy, render
from app.cohorts.store.model import Cohort

if TYPE_CHECKING:
    from app.cohorts.store import Reader

OpenCohort = Callable[[str], AbstractContextManager["tuple[Reader, Cohort]"]]
Known = Callable[[str], bool]
_KEPT_BYTES: Final = 16_000_000
# A figure needs nothing at all: no script, no style sheet, no font. Its styles are attributes.
FIGURE_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"


class Published(NamedTuple):
    """A figure or a page as it is sent, and the policy it needs. `body` None: what the caller has is still right."""

    etag: str
    body: bytes | None
    policy: str


@dataclass(frozen=True, slots=True)
class Publisher:
    """Draws and writes. May be used on several threads at once; drawing itself goes one at a time.

    `open_cohort` begins a snapshot of a cohort (CohortNotFoundError, DatabaseUnavailableError). What was made last is
    kept by cohort, version and question; the version is read from the database every time.
    """

    open_cohort: OpenCohort
    normal: Normal
    kept: Kept

    @classmethod
    def over(cls, open_cohort: OpenCohort, rulebook: Rulebook) -> Publisher:
        """Make the publisher; the study's normal values come from its rule set."""
        return cls(open_cohort, normal_of(rulebook), Kept(_KEPT_BYTES))

    def within(self, open_cohort: OpenCohort) -> Publisher:
        """Return the same over what another caller may open; what was made is kept by whose cohort it is of."""
        return replace(self, open_cohort=open_cohort)

    def svg(self, cohort_id: str, name: FigureName, question: Question, known: Known) -> Published:
        """Draw a figure of a cohort as SVG, unless the caller knows its ETag."""
        return self._figure(cohort_id, name, question, lambda p: drawing.svg_of(p.name, p.title, p.contents), known)

    def png(self, cohort_id: str, name: FigureName, question: Question, width: int, known: Known) -> Published:
        """Draw a figure of a cohort as PNG of so many pixels, unless the caller knows its ETag."""
        return self._figure(
            cohort_id,
            name,
            question,
            lambda p: drawing.png_of(p.name, p.title, p.contents, width),
            known,
            f"png {width}",
        )

    def _figure(  # noqa: PLR0913, PLR0917  # what a figure depends on
        self,
        cohort_id: str,
        name: FigureName,
        question: Question,
        draw: Callable[[Picture], bytes],
        known: Known,
        form: str = "svg",
    ) -> Published:
        asked = question.only(SECTION[name])
        with self.open_cohort(cohort_id) as (reader, cohort):
            etag = etag_of(cohort, asked, f"{name} {form} {_drawn_by()}")
            if (found := self._found(etag, known, FIGURE_POLICY)) is not None:
                return found
            counts = Counts.read(reader, cohort, variables_of(asked))
        analysis = analyse(cohort, counts, asked, self.normal)
        *_, picture = pictures(name, analysis, counts, asked)
        return self._new(etag, draw(picture), FIGURE_POLICY)

    def report(self, cohort_id: str, question: Question, known: Known) -> Published:
        """Write the report of a cohort, unless the caller knows its ETag."""
        with self.open_cohort(cohort_id) as (reader, cohort):
            etag = etag_of(cohort, question, f"report {_drawn_by()} {policy()}")
            if (found := self._found(etag, known, policy())) is not None:
                return found
            counts = Counts.read(reader, cohort, variables_of(question))
            differ = WITHHELD if question.disclosure.chain else counted(reader.disagreeing(cohort))
        analysis = analyse(cohort, counts, question, self.normal)
        return self._new(etag, render(compose(cohort, analysis, counts, question, differ)), policy())

    def _found(self, etag: str, known: Known, allowed: str) -> Published | None:
        """Return what need not be made: the caller has it, or it is kept."""
        if known(etag):
            return Published(etag, None, allowed)
        body = self.kept.get(etag)
        return None if body is None else Published(etag, body, allowed)

    def _new(self, etag: str, body: bytes, allowed: str) -> Published:
        self.kept.put(etag, body)
        return Published(etag, body, allowed)


def _drawn_by() -> str:
    return f"matplotlib {version('matplotlib')}"
