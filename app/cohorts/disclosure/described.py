"""A cohort's own description under a disclosure policy: how many patients it has, of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from app.cohorts.analysis.columns import STRATA, Counts
from app.cohorts.disclosure.release import Releases
from app.cohorts.strata import AXES, PHENOTYPE, Stratum, phenotype
from app.cohorts.summary import Told
from app.statistics.disclosure_policy import Disclosure


def described(strata: Mapping[str, int], disclosure: Disclosure) -> Told:
    """Return n and the counts as they may be told: of each group that is made of whole blocks, as in an analysis."""
    counts = Counts(strata, ())
    releases = Releases(counts, disclosure)

    def told(selects: Callable[[Stratum], bool]) -> int | None:
        chosen = np.array([selects(stratum) for stratum in STRATA], dtype=bool)
        return releases.policy.rounded(int(counts.n[chosen].sum())) if releases.sized(chosen) else None

    found = {
        axis: {value: told(lambda s, a=axis, v=value: getattr(s, a) == v) for value in values}  # type: ignore[misc]  # bound at once
        for axis, values in AXES.items()
    }
    found["phenotype"] = {value: told(lambda s, v=value: phenotype(s) == v) for value in PHENOTYPE}  # type: ignore[misc]  # bound at once
    return Told(told(lambda _: True), found, releases.policy.name)
