"""The derivation of records: one patient in, the variables of the study out.

`Deriver(rulebook).accept(record)` checks a record, brings it to clinical precision and derives it: keep
`accepted.record` (what an export gives back) beside `accepted.derived`. Under an unchanged rulebook a record that was
kept is accepted again unchanged and derived alike.
"""

from __future__ import annotations

from app.cohorts.derivation.derived import Derived
from app.cohorts.derivation.deriver import Accepted, Deriver
from app.cohorts.derivation.findings import PatientFindings
from app.cohorts.derivation.options import DerivationOptions

__all__ = ["Accepted", "DerivationOptions", "Derived", "Deriver", "PatientFindings"]
