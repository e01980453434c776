"""What the metrics tell besides requests: places, threads, connections, jobs, rows, and how late the loop is.

Labels are words of ours, few and fixed: no caller, cohort or patient is named. prometheus_client is loaded with the
first scrape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from app.api.loop_probe import BUCKETS, LoopProbe
from app.api.observability import cumulated
from app.cohorts.store.model import ENDED, JobState

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from app.api.cohort_service import Cohorts
    from app.api.context import Limits
    from app.api.places import Places
    from app.api.rate import RateLimit
    from app.cohorts.jobs import Jobs
    from app.database.database import Database


UNDER_WAY: Final[tuple[JobState, ...]] = ("queued", "running")


def of_places(held: Cohorts, limits: Limits, receipts: Places) -> Iterator[Metric]:
    """Tell of the bulkhead and of everything else there are few places of."""
    from prometheus_client.core import (  # noqa: PLC0415  # see the module
        CounterMetricFamily,
        GaugeMetricFamily,
    )

    heavy = held.heavy
    yield GaugeMetricFamily("defervesce_heavy_running", "Heavy calls at work on a thread", value=heavy.running)
    yield GaugeMetricFamily("defervesce_heavy_waiting", "Heavy calls with a place and no thread", value=heavy.waiting)
    yield CounterMetricFamily("defervesce_heavy_given_up", "Heavy calls whose time was over", value=heavy.given_up)
    taken = GaugeMetricFamily("defervesce_places_taken", "Places that are taken", labels=("of",))
    most = GaugeMetricFamily("defervesce_places", "Places that there are", labels=("of",))
    refused = CounterMetricFamily("defervesce_places_refused", "Requests refused for want of a place", labels=("of",))
    for name, places in (
        ("heavy", heavy.places),
        ("exports", held.exports),
        ("changes", held.changes),
        ("large_imports", held.large_imports),
        ("large_bodies", limits.large_bodies),
        ("receipts", receipts),
    ):
        taken.add_metric((name,), places.taken)
        most.add_metric((name,), places.most)
        refused.add_metric((name,), places.refused)
    yield from (taken, most, refused)


def of_pool(database: Database) -> Iterator[Metric]:
    """Tell of the connections to the database."""
    from prometheus_client.core import (  # noqa: PLC0415  # see the module
        CounterMetricFamily,
        GaugeMetricFamily,
        SummaryMetricFamily,
    )

    pool = database.connections()
    yield GaugeMetricFamily("defervesce_database_pool_size", "Most connections of this process", value=pool.most)
    yield GaugeMetricFamily("defervesce_database_pool_in_use", "Connections in use", value=pool.in_use)
    yield SummaryMetricFamily(
        "defervesce_database_pool_wait_seconds",
        "Time that was waited for a connection",
        count_value=pool.handed_out,
        sum_value=pool.waited_seconds,
    )
    yield CounterMetricFamily(
        "defervesce_database_pool_timeouts", "Times that no connection came in time", value=pool.timeouts
    )


def of_jobs(jobs: Jobs) -> Iterator[Metric]:
    """Tell of the jobs of this process."""
    from prometheus_client.core import (  # noqa: PLC0415  # see the module
        CounterMetricFamily,
        GaugeMetricFamily,
    )

    now = GaugeMetricFamily("defervesce_jobs", "Jobs of this process under way", labels=("state",))
    for state in UNDER_WAY:
        now.add_metric((state,), jobs.counts[state])
    ended = CounterMetricFamily("defervesce_jobs_ended", "Jobs of this process that have ended", labels=("state",))
    for state in sorted(ENDED):
        ended.add_metric((state,), jobs.counts[state])
    yield from (now, ended)


def of_rows(held: Cohorts) -> Iterator[Metric]:
    """Tell how many patients came in."""
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415  # see the module

    yield CounterMetricFamily("defervesce_import_rows", "Patients added by imports", value=held.rows_taken_in)


def of_loop(probe: LoopProbe) -> Iterator[Metric]:
    """Tell how late the event loop is."""
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415  # see the module

    name, said = "defervesce_event_loop_lag_seconds", "How much later than asked for the event loop came back"
    yield HistogramMetricFamily(name, said, buckets=cumulated(probe.counts, BUCKETS), sum_value=probe.seconds)


def of_rate(rate: RateLimit) -> Iterator[Metric]:
    """Tell of callers and the requests that were refused for their rate."""
    from prometheus_client.core import (  # noqa: PLC0415  # see the module
        CounterMetricFamily,
        GaugeMetricFamily,
    )

    yield GaugeMetricFamily("defervesce_rate_callers", "Callers whose requests are counted", value=rate.callers)
    yield CounterMetricFamily("defervesce_rate_refused", "Requests refused for their rate", value=rate.refused)
