"""Requests about medians, ranks and tables of counts, answered. Imports numpy and scipy: load it off the event loop."""

from __future__ import annotations

from typing import Final

from app.statistics.descriptive import NAMES, median, summarize
from app.statistics.fisher import fisher_exact
from app.statistics.fisher_models import FisherAnswer, FisherRequest
from app.statistics.hodges_lehmann import hodges_lehmann, pseudo_median
from app.statistics.mann_whitney import mann_whitney
from app.statistics.models import Note, Shift
from app.statistics.rank_models import (
    MannWhitneyAnswer,
    MannWhitneyRequest,
    SignedRankAnswer,
    SignedRankRequest,
    SummaryAnswer,
    SummaryRequest,
)
from app.statistics.scaling import Integers, scaled_within
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

_WANTED: Final = 0.95
_SLACK: Final = 0.005  # order statistics reach a normal approximation's confidence only nearly


def answer_summary(asked: SummaryRequest) -> SummaryAnswer:
    """Summarize values."""
    known = _known(asked.values)
    units, digits, notes = _scaled(known)
    found = summarize(Tally.from_units(units, digits), asked.quantile_method)
    return SummaryAnswer(
        **dict(found),
        n_missing=len(asked.values) - len(known),
        method=NAMES[asked.quantile_method],
        warnings=notes,
    )


def answer_mann_whitney(asked: MannWhitneyRequest) -> MannWhitneyAnswer:
    """Compare two groups."""
    x, y = _known(asked.x), _known(asked.y)
    units, digits, notes = _scaled(x + y)
    tallies = Tally.from_units(units[: len(x)], digits), Tally.from_units(units[len(x) :], digits)
    found = mann_whitney(*tallies, asked.method)
    shift = hodges_lehmann(*tallies, "auto" if found.exact else "asymptotic")
    missing_x, missing_y = len(asked.x) - len(x), len(asked.y) - len(y)
    return MannWhitneyAnswer(
        **{**dict(found), "warnings": (*notes, *found.warnings, *_about(shift))},
        hodges_lehmann=shift,
        n_missing=missing_x + missing_y,
        n_missing_x=missing_x,
        n_missing_y=missing_y,
    )


def answer_signed_rank(asked: SignedRankRequest) -> SignedRankAnswer:
    """Compare two measurements of the same patients."""
    pairs = [(b, a) for b, a in zip(asked.before, asked.after, strict=True) if b is not None and a is not None]
    units, digits, notes = _scaled([before for before, _ in pairs] + [after for _, after in pairs])
    differences = Tally.from_units(units[len(pairs) :] - units[: len(pairs)], digits)
    found = signed_rank(differences, asked.zeros, asked.method)
    shift = pseudo_median(differences, "auto" if found.exact else "asymptotic")
    return SignedRankAnswer(
        **{**dict(found), "warnings": (*notes, *found.warnings, *_about(shift))},
        n_pairs=len(pairs),
        n_missing=len(asked.before) - len(pairs),
        median_difference=median(differences),
        pseudo_median=shift,
    )


def answer_fisher(asked: FisherRequest) -> FisherAnswer:
    """Test a table of counts."""
    found = fisher_exact(asked.table, asked.method, replicates=asked.replicates, seed=asked.seed)
    return FisherAnswer(**dict(found), n_missing=0)


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _scaled(numbers: list[float]) -> tuple[Integers, int, tuple[Note, ...]]:
    units, digits, rounded = scaled_within(numbers)
    if not rounded:
        return units, digits, ()
    message = f"The values were rounded to {digits} decimal places, which 18 digits leave. No two became equal."
    return units, digits, (Note(code="values_rounded", message=message),)


def _about(shift: Shift) -> tuple[Note, ...]:
    if shift.confidence is None or shift.confidence >= _WANTED - _SLACK:
        return ()
    message = f"So few values give no 95% limits; these, the farthest there are, reach {100 * shift.confidence:.3g}%."
    return (Note(code="confidence_not_reached", message=message),)
