"""The report: one self-contained, printable HTML page of a cohort's whole analysis.

`view` says what stands in it, in words and formatted numbers; `page` writes it by the templates. Loaded with the first
report: jinja2 and matplotlib are no part of the service's start.
"""
