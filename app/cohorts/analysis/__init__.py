"""The study's whole analysis of a cohort, from the tallies kept beside its rows: no patient's row is read.

`selection` reads what is asked for, `analyse` answers it, `answers` holds the answer, `table` writes it as CSV.
"""
