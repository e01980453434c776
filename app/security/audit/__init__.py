"""The audit trail: who did what to which cohort and patient, when and with what outcome, as a chain of hashes."""
