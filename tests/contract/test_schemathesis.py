"""Schemathesis over every operation: whatever is sent, the answer is one that the document describes, and never a 5xx.

One check is left out: that what fits the schema is accepted. A schema cannot say that a weight is implausible for an
age or that two facts contradict each other; such requests are refused with 422, as documented. A batch is let off the
opposite check, too: a bad item never fails the rest, so it is answered with 200 and a problem in its own place.

The run is seeded and bounded: it is the same every time. `DEFERVESCE_TEST_EXAMPLES` sends more per operation.
"""

from __future__ import annotations

import os

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.main import create_app
from app.security.caller import SCOPES
from app.security.keys import new_key
from app.settings import load_settings

EXAMPLES = int(os.environ.get("DEFERVESCE_TEST_EXAMPLES", "25"))

app = create_app(
    load_settings(
        {"DEFERVESCE_LOG_LEVEL": "error", "DEFERVESCE_DATABASE_URL": "sqlite://", "DEFERVESCE_AUTH": "required"}
    )
)
key = new_key()
# Every scope of one tenant: whether a scope is asked for at all is tests/api/test_tenants.py's to try.
app.authenticator.store.create_key(key, "schemathesis", "default", frozenset(SCOPES), None)
schema = schemathesis.openapi.from_asgi("/openapi.json", app)


@schemathesis.serializer("application/x-ndjson")
def lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Send what was made for a stream of lines as it is."""
    return str(value).encode()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_answer_is_one_the_document_describes(case):
    left_out = [positive_data_acceptance]
    if case.path.endswith("/batch"):
        left_out.append(negative_data_rejection)
    # One credential a request: those that are made up from the document's schemes would be a second one.
    for name in ("Authorization", "X-API-Key"):
        case.headers.pop(name, None)
    case.call_and_validate(excluded_checks=left_out, headers={"Authorization": f"Bearer {key.text}"})
