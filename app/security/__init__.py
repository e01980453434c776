"""Who calls, what they may do, whose cohorts are theirs, and what is recorded of it."""
