"""What is kept: cohort records, their derivation, tables, store, analysis and report. Not yet furnished."""
