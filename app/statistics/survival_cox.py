"""Cox's proportional hazards for two groups, fitted by lifelines. Importing this takes seconds: do it at first use."""

from __future__ import annotations

import math
import warnings
from typing import Final

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # no types installed
from lifelines import CoxPHFitter  # type: ignore[import-untyped]  # lifelines has no types
from lifelines.exceptions import ConvergenceError  # type: ignore[import-untyped]  # as above

from app.statistics.survival import LifeTable, event_times

MOST_EVENTS: Final = 50_000
"""Past this the fit takes too long (lifelines goes event by event)."""
_FIT: Final = {"precision": 1e-12, "max_steps": 100}
_SEPARATED: Final = "Whenever one group had an event the other was no longer under observation: no finite ratio fits."
_TOO_MANY: Final = f"Cox's model is fitted up to {MOST_EVENTS} events; ask for mantel_haenszel or log_rank."


def cox_log_ratio(first: LifeTable, second: LifeTable) -> tuple[float | None, float | None, str | None]:
    """Return log hazard ratio of the first group over the second, its standard error, and a reason when null.

    Ties by Efron.
    """
    if first.n_events + second.n_events > MOST_EVENTS:
        return None, None, _TOO_MANY
    if _separated(first, second) or _separated(second, first):
        return None, None, _SEPARATED
    rows = pd.concat([_rows(first, 1.0), _rows(second, 0.0)], ignore_index=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it would warn of has been looked at already
        try:
            fitted = CoxPHFitter().fit(rows, "time", "event", weights_col="weight", fit_options=_FIT)
        except ConvergenceError:
            return None, None, "The fit did not converge."
    estimate, error = float(fitted.params_["first"]), float(fitted.standard_errors_["first"])
    if not (math.isfinite(estimate) and math.isfinite(error)):
        return None, None, "The fit did not converge."
    return estimate, error, None


def _rows(table: LifeTable, first: float) -> pd.DataFrame:
    """Return a row per event and one per time of censoring, weighted.

    Events cannot be weighted: lifelines takes a weighted event for a single one when it breaks ties by Efron.
    """
    censored = table.censored > 0
    events = int(table.events.sum())
    return pd.DataFrame(
        {
            "time": np.append(np.repeat(table.times, table.events), table.times[censored]),
            "event": np.append(np.ones(events, bool), np.zeros(int(censored.sum()), bool)),
            "weight": np.append(np.ones(events, np.int64), table.censored[censored]),
            "first": first,
        }
    )


def _separated(one: LifeTable, other: LifeTable) -> bool:
    """Say whether no event of one group happened while the other was under observation."""
    _, at_risk = other.at(event_times([one]))
    return not np.any(at_risk)
