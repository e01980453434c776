"""CTCAE grading: one record, and many in columns."""
