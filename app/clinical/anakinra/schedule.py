"""The ladder of doses from the current one down to nothing."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Literal, NamedTuple

from app.clinical.anakinra.protocol import BY_DAY, Protocol, refusal
from app.clinical.arithmetic import exact, plain, said, significant

Strategy = Literal["fixed", "equalised"]


class Ladder(NamedTuple):
    """Doses in mg/kg/day, strictly falling, the last one 0; and how they were worked out."""

    doses: tuple[Decimal, ...]
    working: tuple[str, ...]


def ladder(start: Decimal, step: Decimal, residue: Decimal, strategy: Strategy) -> Ladder:
    """Go down from `start` (above 0) by at most `step`.

    `fixed` takes whole steps; when `residue` or less would be left, that rest is dropped together with the step before
    it, so the last fall may be a step and the residue. `equalised` takes as few equal falls as keep within the step.
    """
    return _fixed(start, step, residue) if strategy == "fixed" else _equalised(start, step)


def _fixed(start: Decimal, step: Decimal, residue: Decimal) -> Ladder:
    doses, lines = [start], list[str]()
    while doses[-1] > 0:
        left = significant(doses[-1] - step)
        lines.append(_fixed_line(doses[-1], step, left, residue))
        doses.append(left if left > residue else Decimal(0))
    return Ladder(tuple(doses), tuple(lines))


def _fixed_line(dose: Decimal, step: Decimal, left: Decimal, residue: Decimal) -> str:
    if left > residue:
        return f"{said(dose)} - {said(step)} = {said(left)} {BY_DAY}"
    if left > 0:
        return f"{said(dose)} - {said(step)} = {said(left)}, a residue of {said(residue)} or less: stop"
    return f"{said(dose)} is one step of {said(step)} or less: stop"


def _equalised(start: Decimal, step: Decimal) -> Ladder:
    count = int(significant(start / step).to_integral_value(ROUND_CEILING))
    doses = tuple(significant(start * (count - done) / count) for done in range(count + 1))
    line = f"{said(start)} {BY_DAY} in {count} equal falls of {said(start / count)} (at most {said(step)})"
    return Ladder(doses, (line,))


def chosen_step(step: float | None, protocol: Protocol) -> Decimal:
    """Return the weaning step in mg/kg/day (None: the protocol's); raises `RefusedInputError` outside its range."""
    if step is None:
        return protocol.step
    wanted, row = exact(step), protocol.steps_allowed
    if not row.contains(wanted):
        allowed = f"{plain(row.low)} to {plain(row.high)} {BY_DAY}"
        message = f"step_mg_kg_day must be {allowed} by protocol {protocol.id}: larger steps would wean faster than it."
        raise refusal("/step_mg_kg_day", "out_of_range", message, allowed)
    return wanted


def chosen_interval(hours: float | None, protocol: Protocol) -> Decimal | None:
    """Return the hours between steps, or None for a window; raises `RefusedInputError` outside the protocol's range."""
    if hours is None:
        return None
    wanted, row = exact(hours), protocol.interval
    if not row.contains(wanted):
        allowed = f"{plain(row.low)} to {plain(row.high)} h"
        message = f"interval_hours must be {allowed} by protocol {protocol.id}; leave it out for a window."
        raise refusal("/interval_hours", "out_of_range", message, allowed)
    return wanted
