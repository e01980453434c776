"""Everything that the searches find, together: numbers by position, before they become records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from app.cohorts.study.roster import Member, columns, roster
from app.cohorts.study.search import Domain
from app.cohorts.study.search_continuous import Columns, Plan, continuous
from app.cohorts.study.search_course import Course, course
from app.cohorts.study.search_fever import fever
from app.cohorts.study.search_heart import Heart, heart

HOURS: Final = 24
RESCUE_AT: Final = 23  # hour of the day: 37 hours after the end of IVIG on day 2
ADJUNCT_AT: Final = (6, 9, 12, 16)
HOURS_PER_TENTH: Final = 2.4  # of a day
AFTER_FEVER: Final = 2  # days in hospital after the end of the fever at least
LONGEST_STAY: Final = 26
LABS: Final = (
    Plan("lab.troponin_i", 2, Domain(1, 40)),
    Plan("lab.bnp", 0, Domain(60, 14000)),
)
CYTOKINES: Final = (
    Plan("cytokine.ifn_gamma", 1, Domain(1, 70)),
    Plan("cytokine.il_1_beta", 1, Domain(1, 14)),
    Plan("cytokine.il_2", 1, Domain(6, 14, 2)),
    Plan("cytokine.il_6", 1, Domain(5, 1100)),
    Plan("cytokine.il_8", 1, Domain(1, 40)),
    Plan("cytokine.il_12", 1, Domain(2, 18)),
    Plan("cytokine.il_17", 1, Domain(2, 40)),
    Plan("cytokine.sil_2r", 1, Domain(4, 140)),
    Plan("cytokine.tnf_alpha", 1, Domain(1, 12)),
)


class Solution(NamedTuple):
    """The numbers of all 46, by position; scaled as their plans say."""

    members: tuple[Member, ...]
    columns: Columns
    course: Course
    start_hour: Mapping[int, int]
    fever_hour: Mapping[int, int]
    stay_days: Mapping[int, int]
    heart: Heart
    numbers: Mapping[str, Mapping[int, int]]

    def stop_hour(self, place: int) -> float:
        """Return the hour at which anakinra stopped."""
        return round(self.start_hour[place] + self.course.duration[place] * HOURS_PER_TENTH, 1)


def solve() -> Solution:
    """Run all searches; the same every time. Raises NotFoundError."""
    members = roster()
    places = columns(members)
    doses = course(members, places)
    starts = {p: _start_hour(members[p], day, p) for p, day in doses.initiation.items()}
    ends = fever(places, starts)
    numbers = {plan.variable: continuous(plan, places) for plan in (*LABS, *CYTOKINES)}
    found = Solution(members, places, doses, starts, ends, {}, heart(members, places), numbers)
    return found._replace(stay_days=_stays(found))


def _start_hour(member: Member, day: int, place: int) -> int:
    at = ADJUNCT_AT[place % len(ADJUNCT_AT)] if member.shock else RESCUE_AT
    return (day - 1) * HOURS + at


def _stays(found: Solution) -> dict[int, int]:
    """Search the days in hospital: nobody leaves on anakinra, or within two days of the fever."""
    at = {}
    for place, hour in found.fever_hour.items():
        leaves = [hour / HOURS + AFTER_FEVER]
        if place in found.start_hour:
            leaves.append(found.stop_hour(place) / HOURS)
        at[place] = Domain(int(max(leaves)) + 1, LONGEST_STAY)
    return continuous(Plan("length_of_stay_days", 0, Domain(1, LONGEST_STAY), at), found.columns)
