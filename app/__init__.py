"""Defervesce: MIS-C phenotype, anakinra dosing and weaning, CTCAE grading and cohort statistics over HTTP."""

__version__ = "0.1.0"
