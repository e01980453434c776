"""Is a chain whole? Finds changed, removed, added and reordered rows, and says which.

A chain by itself shows what was done to a part of it. That nobody cut its end off and wrote a new one is shown by the
head's signature (a key outside the database), and by an anchor: a head that was taken out of the database earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from app.security.audit.entry import FIRST, Head, Row

Kind = Literal["changed", "removed", "reordered", "relinked", "added", "head", "signature", "anchor", "algorithm"]
IsSigned = Callable[[Head], bool | None]
"""Says whether a head's signature is that of a key we trust; None when there is nothing to check it by."""
# So many rows that do not fit are told apart (changed or moved); of more, all are called changed.
_TOLD_APART: Final = 200


class Finding(NamedTuple):
    """Something that is not as it was written."""

    tenant: str
    kind: Kind
    text: str


class Verified(NamedTuple):
    """What came of one chain: its rows, the last one's hash, what is wrong, and whether its head has no signature."""

    tenant: str
    rows: int
    row_hash: str
    findings: list[Finding]
    is_unsigned: bool = False


def verified(
    tenant: str, head: Head | None, rows: Iterable[Row], anchors: Mapping[int, str], is_signed: IsSigned
) -> Verified:
    """Go through one chain in bounded memory. `anchors`: hashes that rows had earlier, by position."""
    walk = _Walk(tenant, anchors)
    for row in rows:
        walk.step(row)
    findings = [*walk.told_apart(head), *_of_head(tenant, head, walk), *_of_anchors(tenant, walk)]
    if head is not None:
        findings += _of_signature(head, is_signed(head))
    return Verified(tenant, walk.rows, walk.row_hash, findings, head is not None and head.signature is None)


class _Walk:
    """What is known after each row."""

    def __init__(self, tenant: str, anchors: Mapping[int, str]) -> None:
        self.tenant = tenant
        self.rows = 0
        self.position = 0
        self.row_hash = FIRST
        self.seen: dict[int, str] = {}
        self.anchors = anchors
        self._fits = True
        self._misfits: list[Row] = []
        self._more = 0
        self._gaps: list[int] = []
        self._found: list[Finding] = []

    def step(self, row: Row) -> None:
        """Take the next row by position."""
        gap = row.position > self.position + 1
        if gap:
            self._removed(self.position + 1, row.position - 1)
        fits = self._judge(row)
        if fits and self._fits and not gap and row.prev_hash != self.row_hash:
            text = f"row {row.position} does not follow from row {self.position}, which was rewritten or put in"
            self._found.append(Finding(self.tenant, "relinked", text))
        if row.position in self.anchors:
            self.seen[row.position] = row.row_hash
        self.rows, self.position, self.row_hash, self._fits = self.rows + 1, row.position, row.row_hash, fits

    def told_apart(self, head: Head | None) -> list[Finding]:
        """Return what was found, with the rows that do not fit told apart: moved, or changed."""
        ends = range(self.position + 1, min((head.position if head else 0), self.position + _TOLD_APART) + 1)
        places = [*(row.position for row in self._misfits), *self._gaps, *ends]
        found = [*self._found, *(_misfit(self.tenant, row, places) for row in self._misfits)]
        if self._more:
            found.append(Finding(self.tenant, "changed", f"{self._more} more rows were changed or moved"))
        return found

    def _judge(self, row: Row) -> bool:
        hashed = row.hashed()
        if hashed is None:
            text = f"row {row.position}: its algorithm is not known to this release"
            self._found.append(Finding(self.tenant, "algorithm", text))
        elif hashed != row.row_hash:
            self._keep(row)
        return hashed == row.row_hash

    def _keep(self, row: Row) -> None:
        if len(self._misfits) < _TOLD_APART:
            self._misfits.append(row)
        else:
            self._more += 1

    def _removed(self, first: int, last: int) -> None:
        self._gaps += range(first, min(last, first + _TOLD_APART) + 1)
        self._found.append(_gone(self.tenant, first, last))


def _misfit(tenant: str, row: Row, places: list[int]) -> Finding:
    """Say whether a row whose hash does not fit is another one in this place, or was changed."""
    came_from = next((place for place in places if row.hashed(place) == row.row_hash), None)
    if came_from is not None:
        return Finding(tenant, "reordered", f"row {row.position} is what was row {came_from}")
    return Finding(tenant, "changed", f"row {row.position} was changed")


def _gone(tenant: str, first: int, last: int) -> Finding:
    which = f"row {first} was removed" if first == last else f"rows {first} to {last} were removed"
    return Finding(tenant, "removed", which)


def _of_head(tenant: str, head: Head | None, walk: _Walk) -> Iterator[Finding]:
    if head is None:
        yield Finding(tenant, "head", "the chain's head was removed: rows may be missing at its end")
    elif head.position > walk.position:
        yield _gone(tenant, walk.position + 1, head.position)
    elif head.position < walk.position:
        yield Finding(tenant, "added", f"rows after {head.position} were put in past the chain's head")
    elif head.row_hash != walk.row_hash:
        yield Finding(tenant, "head", f"the chain's head does not have the hash of row {walk.position}")


def _of_anchors(tenant: str, walk: _Walk) -> Iterator[Finding]:
    for position, row_hash in sorted(walk.anchors.items()):
        if position > walk.position:
            yield Finding(tenant, "anchor", f"the anchor saw {position} rows; the chain ends at {walk.position}")
        elif position and walk.seen.get(position) != row_hash:
            yield Finding(tenant, "anchor", f"row {position} is not the one that the anchor saw: written anew up to it")


def _of_signature(head: Head, valid: bool | None) -> list[Finding]:  # noqa: FBT001  # the one thing it is about
    if valid is not False:
        return []
    unsigned = "is not signed; was it so before there was a key, `defervesce audit sign` signs it"
    what = unsigned if head.signature is None else "is signed by no key that is trusted here"
    return [Finding(head.tenant, "signature", f"the chain's head {what}")]
