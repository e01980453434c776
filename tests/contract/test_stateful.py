"""Schemathesis in steps: what one answer names (a cohort, a patient, a job, a rule set) the next request asks for.

The links are worked out from the document itself: from `Location`, and from fields that are the parameters of other
operations. Seeded and bounded in the suite; `make fuzz` runs more of it (DEFERVESCE_TEST_EXAMPLES, seed by
DEFERVESCE_TEST_SEED).
"""

from __future__ import annotations

import os

import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.main import create_app
from app.security.caller import SCOPES
from app.security.keys import new_key
from app.security.store.callers import CallerStore
from app.settings import load_settings

EXAMPLES = int(os.environ.get("DEFERVESCE_TEST_EXAMPLES", "15"))
SEED = int(os.environ.get("DEFERVESCE_TEST_SEED", "0"))


def test_the_answers_in_steps_are_those_the_document_describes():
    chosen = {"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://", "DEFERVESCE_AUTH": "required"}
    app = create_app(load_settings(chosen))
    key = new_key()
    CallerStore(app.database.engine).create_key(key, "walker", "default", frozenset(SCOPES), None)
    headers = {"Authorization": f"Bearer {key.text}"}
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
