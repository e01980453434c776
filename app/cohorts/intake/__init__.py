"""The door of a cohort: JSON, NDJSON and CSV in, one record at a time, with bounded memory."""
