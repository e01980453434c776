"""p-values adjusted for there being several. None (no test was made) passes through and does not count."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust for the family-wise error (Holm S. Scand J Stat 1979;6:65-70), as R's p.adjust(method="holm")."""
    return _adjusted(p_values, lambda p, rank, n: p * (n - rank + 1), from_smallest=True)


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust for the false discovery rate (Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300), as R's "BH"."""
    return _adjusted(p_values, lambda p, rank, n: p * n / rank, from_smallest=False)


def _adjusted(
    p_values: Sequence[float | None], factor: Callable[[float, int, int], float], *, from_smallest: bool
) -> list[float | None]:
    """Multiply each p by rank, then make the sequence monotone from one of its ends, and at most 1."""
    made = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    steps = [(factor(p, rank, len(made)), place) for rank, (p, place) in enumerate(made, start=1)]
    answer: list[float | None] = [None] * len(p_values)
    bound = 0.0 if from_smallest else 1.0
    for p, place in steps if from_smallest else reversed(steps):
        bound = max(bound, p) if from_smallest else min(bound, p)
        answer[place] = min(bound, 1.0)
    return answer
