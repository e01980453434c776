"""Pure statistics over tallies: tallies in, results out. Its rooms are furnished with the cohorts."""
