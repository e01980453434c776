"""One row of a published table against its own counts: percents, p-value, sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction

from app.statistics.table_audit_models import AuditReason, AuditRow
from app.statistics.table_audit_printed import Printed, printed_p, printed_percent
from app.statistics.table_audit_search import Testable
from app.statistics.table_audit_tests import RowTest, recomputed

_PAIR = 2
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """A row with what follows from its counts. `test` is None where no test can be made."""

    row: AuditRow
    sizes: tuple[int, ...]
    printed: tuple[Printed | None, ...]
    printed_p: Printed | None
    test: RowTest | None

    @property
    def percents(self) -> list[Fraction | None]:
        """The exact percents; None where nothing is printed."""
        return [_percent(count, size) for count, size in zip(self.row.counts, self.sizes, strict=True)]

    @property
    def percents_right(self) -> list[bool | None]:
        """Whether each printed percent stands for the exact one; None where there are not both."""
        pairs = zip(self.printed, self.percents, strict=True)
        return [None if p is None or exact is None else p.stands_for(exact) for p, exact in pairs]

    @property
    def p_right(self) -> bool | None:
        """Whether the printed p stands for the recomputed one; None where there are not both."""
        if self.printed_p is None or self.test is None or self.test.p_value is None:
            return None
        low, high = self.printed_p.bounds
        return low <= self.test.p_value <= high

    @property
    def testable(self) -> Testable | None:
        """The row for the search, when it has a printed p and a test."""
        if self.p_right is None or self.printed_p is None:
            return None
        return Testable(self.row.label, tuple(count or 0 for count in self.row.counts), self.printed_p)

    def reasons(self) -> list[AuditReason]:
        """Say what of the row does not follow from its counts."""
        return [AuditReason(code=code, message=message) for code, message in self._differences()]

    def _differences(self) -> Iterator[tuple[str, str]]:
        for place, (count, size) in enumerate(zip(self.row.counts, self.sizes, strict=True)):
            if count is not None and count > size:
                yield "count_exceeds_n", f"Column {place + 1} counts {count} of only {size}."
            elif self.percents_right[place] is False:
                yield "percent_differs", self._percent_message(place)
        if self.row.total is not None and None not in self.row.counts and self.row.total != self._sum:
            yield "total_differs", f"The counts sum to {self._sum}, not {self.row.total}."
        if self.p_right is False and self.test is not None and self.printed_p is not None:
            yield (
                "p_value_differs",
                f"{self.test.method} gives p = {shown(self.test.p_value)}, not {self.printed_p.text}.",
            )

    @property
    def _sum(self) -> int:
        return sum(count or 0 for count in self.row.counts)

    def _percent_message(self, place: int) -> str:
        printed, exact = self.printed[place], self.percents[place]
        count, size = self.row.counts[place], self.sizes[place]
        if printed is None or exact is None:
            raise ValueError("nothing is printed here")
        text = printed.text.rstrip("%")
        if _cut(exact, printed.decimals) == printed.value:
            return f"{count} of {size} is {_rounded(exact, printed.decimals)}%, not {text}% (cut off, not rounded)."
        others = counts_of(printed, size)
        meant = f"{' or '.join(map(str, others))} of {size} is" if others else f"no count of {size} is"
        return f"{count} of {size} is {_rounded(exact, printed.decimals)}%, not {text}% ({meant})."


def check(row: AuditRow, sizes: Sequence[int], budget: float) -> Checked:
    """Recompute a row: exactly when its test takes no more work than the budget."""
    percents = row.percents or [None] * len(sizes)
    return Checked(
        row=row,
        sizes=tuple(sizes),
        printed=tuple(printed_percent(percent) for percent in percents),
        printed_p=printed_p(row.p_value),
        test=_test(row.counts, sizes, budget),
    )


def counts_of(printed: Printed, size: int) -> list[int]:
    """Return the counts of a group that a printed percent may stand for, the five smallest."""
    return list(printed.counts_of(size)[:_MOST_NAMED])


def shown(p_value: float | None) -> str:
    """Write a p-value for people."""
    return "none" if p_value is None else f"{p_value:.4g}"


def _test(counts: Sequence[int | None], sizes: Sequence[int], budget: float) -> RowTest | None:
    known = [count for count in counts if count is not None]
    whole = len(known) == len(sizes) and len(sizes) >= _PAIR
    if not whole or any(count > size for count, size in zip(known, sizes, strict=True)):
        return None
    return recomputed(known, sizes, budget)


def _percent(count: int | None, size: int) -> Fraction | None:
    return None if count is None else Fraction(100 * count, size)


def _cut(exact: Fraction, decimals: int) -> Decimal:
    return _at(exact, decimals, ROUND_DOWN)


def _rounded(exact: Fraction, decimals: int) -> Decimal:
    return _at(exact, decimals, ROUND_HALF_UP)


def _at(exact: Fraction, decimals: int, rounding: str) -> Decimal:
    number = Decimal(exact.numerator) / Decimal(exact.denominator)
    return number.quantize(Decimal(1).scaleb(-decimals), rounding)
