"""Schemathesis in steps: what one answer names (a cohort, a patient, a job, a rule set) the next request asks for.

The links are worked out from the document itself: from `Location`, and from fields that are the parameters of other
operations. Seeded and bounded in the suite; `make fuzz` runs more of it (DEFERVESCE_TEST_EXAMPLES, seed by
DEFERVESCE_TEST_SEED).
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.main import create_app
from app.settings import load_settings

EXAMPLES = int(os.environ.get("DEFERVESCE_TEST_EXAMPLES", "15"))
SEED = int(os.environ.get("DEFERVESCE_TEST_SEED", "0"))


@pytest.fixture
def headers() -> dict[str, str]:
    """Give the headers of a caller who may do everything: none, as long as the service asks for none."""
    return {}


def test_the_answers_in_steps_are_those_the_document_describes(headers):
    app = create_app(load_settings({"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://"}))
    walked: set[tuple[str, str]] = set()
    statuses: set[int] = set()

    class Steps(schemathesis.openapi.from_asgi("/openapi.json", app).as_state_machine()):  # type: ignore[misc]  # made at run time
        def get_call_kwargs(self, case):  # noqa: ARG002  # their signature
            return {"headers": headers}

        def after_call(self, response, case):
            walked.add((case.method.upper(), case.path))
            statuses.add(response.status_code)

        def validate_response(self, response, case, **_):
            left_out = [positive_data_acceptance]
            if case.path.endswith("/batch"):
                left_out.append(negative_data_rejection)
            case.validate_response(response, excluded_checks=left_out)

    run_state_machine_as_test(
        seed(SEED)(Steps),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            derandomize=False,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not [status for status in statuses if status >= 500]
    assert ("POST", "/v1/cohorts") in walked
    assert len(walked) > 8, walked
    app.database.dispose()
