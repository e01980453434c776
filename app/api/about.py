"""What the OpenAPI document says about the service as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TAGS: Final[Mapping[str, str]] = {
    "phenotype": "Which phenotype of MIS-C: Kawasaki-like, cardiovascular shock, both, neither, or not yet decidable; "
    "with case definitions and macrophage activation, each criterion shown.",
    "treatment": "Indication for anakinra, immunoglobulin and aspirin, with the working shown.",
    "anakinra": "Starting dose, titration and weaning of anakinra by protocol.",
    "analysis": "The study's tables and curves of a stored cohort, by any axis, from counts kept beside its rows.",
    "ctcae": "Toxicity grades by CTCAE 4.03, 5.0 and 6.0: one record, a batch, a stream or columns.",
    "protocols": "The dosing protocols, their numbers and sources.",
    "statistics": "The study's tests without a cohort: exact where that can be done, each answer naming its method; "
    "survival curves, and the audit of published tables.",
    "cohorts": "Cohorts of patient records: taken in, derived, shown, exported, derived anew under other rules.",
    "rules": "Every rule set with its thresholds, sources, version and hash.",
    "safety": "The safety case: intended use, hazards and the tests of their controls, requirements, cards of the rule "
    "sets. An argument by the developers; nobody has cleared or signed it off.",
    "receipts": "Signed receipts of clinical answers, and making an answer again to see whether it is the same.",
    "audit": "Who did what to which cohort and patient, and when: a chain of hashes that shows what was tampered with.",
    "service": "Health, version, metrics, and what the problem types mean.",
}

DESCRIPTION: Final = """Multisystem inflammatory syndrome in children (MIS-C): phenotype classification, anakinra dosing
and weaning, CTCAE grading, and the statistics of cohorts. The rules follow Dizon BLP et al., Pediatr Rheumatol
2023;21:76 (doi 10.1186/s12969-023-00858-z) and the standards that each answer cites.

**For clinicians to review, not to replace them.** Every answer shows the inputs used, the rule, its source and what is
missing. What is calculated is not stored (a receipt that is asked for holds hashes); cohorts that are sent are.

* **Unknown is not no.** A field that is absent or `null` is unknown. Nothing is imputed; a question that cannot be
  decided is answered with what remains possible and the fewest inputs that would decide it.
* **Units.** A number carries its unit in the field's name (`weight_kg`), a laboratory value carries it beside it.
* **Strict.** Unknown or repeated fields, text for a number, NaN and implausible values are refused with 422.
* **Problems.** Every refusal is `application/problem+json` (RFC 9457) with stable `type` and `code`, a JSON pointer to
  the field, and what is allowed. It never repeats the value that was sent.
* **Tracing.** `X-Request-ID` is taken or made and returned; a W3C `traceparent` is continued.
"""
