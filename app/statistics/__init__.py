"""Pure statistics over tallies: tallies in, results out."""
