"""Which of the study's printed numbers contradict others that it prints, and so cannot be met."""

from __future__ import annotations

from typing import Final

_NEUTROPENIA: Final = "Neutropenia, IVIG + anakinra against IVIG monotherapy"
_LFTS: Final = "Elevated LFTs, IVIG + anakinra against IVIG monotherapy"
_BESIDE: Final = "Text beside Table 3"

# Where, row, which number, column.
CONTRADICTED: Final = {
    ("Text", "CV shock, of those with anakinra", "percent", "anakinra"),  # 65%, but 20 of 32
    ("Table 3", "Patients", "n", "no_cs"),  # 25, but 32 - 9 = 23
    ("Table 3", "Elevated LFTs", "percent", "no_cs"),  # of 25
    ("Table 3", "Elevated LFTs", "percent", "cs"),  # 67%, but 7 of 9
    ("Table 3", "Neutropenia", "percent", "no_cs"),
    ("Table 3", "Rash", "percent", "no_cs"),
    ("Table 3", "Elevated LFTs", "p", None),
    ("Table 3", "Neutropenia", "p", None),
    ("Table 3", "Hemolytic anemia", "p", None),
    ("Table 3", "Rash", "p", None),
    (_BESIDE, _NEUTROPENIA, "percent", "no_cs"),
    (_BESIDE, _NEUTROPENIA, "p", None),
    (_BESIDE, _LFTS, "percent", "no_cs"),
    (_BESIDE, _LFTS, "p", None),
}
