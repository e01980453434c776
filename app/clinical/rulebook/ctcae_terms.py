"""The shape of a CTCAE term in a rule file: its numeric bounds per grade, unit system and baseline condition."""

from __future__ import annotations

from app.clinical.rulebook.model import RuleModel, Slug


class CtcaeTermRule(RuleModel):
    """One graded term of one CTCAE version."""

    slug: Slug
    name: str
    source: Slug
