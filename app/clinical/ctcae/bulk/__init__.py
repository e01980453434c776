"""Grade many laboratory records at once, in columns: the same judgements as `scales.Scale`, by numpy.

Every comparison is made once for all rows of a term and unit. Rows with a number that is not ordinary, and rows for
which plain arithmetic is not certain to agree with the one-record way, are left to the one-record way. So columns give
exactly what one record gives; tests/oracle/test_ctcae_columns.py holds it.
"""
