"""When the steps of a wean begin, and whether it ends before the child goes home."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from app.clinical.anakinra.instants import after
from app.clinical.anakinra.protocol import Protocol
from app.clinical.warning import Caution

NO_CAUTIONS: Final[tuple[Caution, ...]] = ()
_AFTER_DISCHARGE: Final = Caution(
    code="stops_after_discharge",
    message="The stop lies after the planned discharge; the protocol weans to nothing before the child goes home.",
)
_DISCHARGE_OPEN: Final = Caution(
    code="may_stop_after_discharge",
    message="With the longest interval the stop lies after the planned discharge, with the shortest it does not.",
)
_DISCHARGE_UNKNOWN: Final = Caution(
    code="discharge_not_compared", message="Without starts_at the stop cannot be compared with the planned discharge."
)


class Timing(NamedTuple):
    """When steps begin: chosen hours, or between the protocol's shortest and longest interval."""

    shortest: Decimal
    longest: Decimal
    start: datetime | None

    @property
    def is_chosen(self) -> bool:
        """Say whether every step has one hour."""
        return self.shortest == self.longest

    def moment(self, hours: Decimal) -> datetime | None:
        """Return the moment of an hour, if the start is known."""
        return None if self.start is None else after(self.start, hours, "/starts_at")


def timing_of(interval: Decimal | None, start: datetime | None, protocol: Protocol) -> Timing:
    """Take a chosen interval, or else the protocol's shortest and longest."""
    if interval is None:
        return Timing(protocol.interval.low, protocol.interval.high, start)
    return Timing(interval, interval, start)


def discharge_conflict(planned: datetime | None, timing: Timing, falls: int) -> tuple[bool | None, tuple[Caution, ...]]:
    """Compare the stop after so many falls with the planned discharge: the wean must have ended by then."""
    if planned is None:
        return False, NO_CAUTIONS
    earliest, latest = timing.moment(timing.shortest * falls), timing.moment(timing.longest * falls)
    if earliest is None or latest is None:
        return None, (_DISCHARGE_UNKNOWN,)
    if latest <= planned:
        return False, NO_CAUTIONS
    return (True, (_AFTER_DISCHARGE,)) if earliest > planned else (None, (_DISCHARGE_OPEN,))
