"""Write docs/safety from the data, the rule files and uv.lock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.clinical.rulebook import Rulebook, load_rulebook
from app.safety.card_page import card_page
from app.safety.cards import cards_of
from app.safety.files import Data, load
from app.safety.markdown import code, items, page, table
from app.safety.parts import EndpointMapping, Hazard, RiskMatrix, SafetyRequirement
from app.safety.soup import Locked, locked


def pages(lock: Path) -> dict[str, str]:
    """Return every page that is written, by its path within docs/safety."""
    data, rulebook = load(), load_rulebook()
    written = {
        "README.md": _index(data, rulebook),
        "intended-use.md": _use(data),
        "hazard-log.md": _log(data),
        "trace.md": _trace(data),
        "software-class.md": _class(data),
        "fda-cds.md": _fda(data),
        "onc-hti-1.md": _onc(data),
        "soup.md": _soup(data, locked(lock)),
    }
    by_id = {rules.id: rules for rules in rulebook.all()}
    return written | {f"cards/{c.id}.md": card_page(c, by_id[c.id]) for c in cards_of(rulebook, data)}


def _index(data: Data, rulebook: Rulebook) -> str:
    counts = {s: sum(h.status == s for h in data.hazards) for s in ("controlled", "tolerated", "open", "planned")}
    return page(
        "# Safety case",
        items(data.use.standing),
        "Served by `GET /v1/safety-case`; written by `make safety` from `app/safety/data`.",
        table(("page", "what"), _CONTENTS),
        "## In numbers",
        table(("status", "hazards"), counts.items()),
        _matrix(data.matrix),
        "## Open: more has to be done",
        items(f"**{h.id}** {h.hazard}. {h.reason}" for h in data.hazards if h.status == "open"),
        "## Tolerated: undesirable, with the reason",
        items(f"**{h.id}** {h.hazard}. {h.reason}" for h in data.hazards if h.status == "tolerated"),
        "## Planned: not yet verified here",
        items(f"**{h.id}** {h.hazard}." for h in data.hazards if h.status == "planned"),
        "## Cards",
        items(f"[{r.id}](cards/{r.id}.md) {r.content.rule_set.title}" for r in rulebook.all()),
    )


_CONTENTS = (
    ("[intended-use.md](intended-use.md)", "for whom, for what, what is forbidden, what remains dangerous"),
    ("[hazard-log.md](hazard-log.md)", "every hazard with its risk, its controls and their tests"),
    ("[trace.md](trace.md)", "requirements, their tests and the hazards they help to control"),
    ("[cards/](cards/)", "a card for each rule set"),
    ("[fda-cds.md](fda-cds.md)", "operations against the FDA's four criteria, with our doubts"),
    ("[onc-hti-1.md](onc-hti-1.md)", "source attributes"),
    ("[soup.md](soup.md)", "software of others"),
    ("[software-class.md](software-class.md)", "software safety class"),
    ("[risk-management.md](risk-management.md)", "how risks are found, rated, controlled and watched"),
    ("[release-record.md](release-record.md)", "what to fill in for a release"),
)


def _matrix(matrix: RiskMatrix) -> str:
    head = ["likelihood", *(f"{s.value} {s.label}" for s in matrix.severity)]
    rows = [(f"{step.value} {step.label}", *matrix.risk[step.value - 1]) for step in reversed(matrix.likelihood)]
    return "\n".join(
        (
            "## Matrix",
            "",
            "Severity across, likelihood down; in the cells the level of risk.",
            "",
            table(head, rows),
            table(
                ("level", "calls for", "meaning"),
                ((one.level, one.acceptability, one.meaning) for one in matrix.levels),
            ),
            table(("severity", "meaning"), ((f"{s.value} {s.label}", s.meaning) for s in matrix.severity)),
            table(("likelihood", "meaning"), ((f"{s.value} {s.label}", s.meaning) for s in matrix.likelihood)),
        )
    )


def _use(data: Data) -> str:
    use = data.use
    parts = ["# Intended use", items(use.standing), use.purpose]
    for title, texts in (
        ("Who may use it", use.users),
        ("Where", use.setting),
        ("Whom its rules are about", use.patients),
        ("What it is not made for", use.not_for),
        ("Forbidden", use.forbidden),
        ("What the organisation that deploys it has to do", use.duties),
        ("What remains dangerous", use.residual_risks),
    ):
        parts += [f"## {title}", items(texts)]
    return page(*parts)


def _log(data: Data) -> str:
    head = ("id", "hazard", "severity", "before", "after", "residual level", "status")
    rows = (
        (
            f"[{h.id}](#{h.id.lower()})",
            h.hazard,
            h.severity,
            f"{h.likelihood} (level {h.initial_risk.level})",
            h.likelihood_after,
            h.residual_risk.level,
            h.status,
        )
        for h in data.hazards
    )
    return page("# Hazard log", _LOG, table(head, rows), *map(_hazard, data.hazards))


_LOG = (
    "Severity and likelihood are 1 to 5; before and after are likelihoods without and with the controls. A full run of "
    "the tests fails when a test of a control fails, is skipped or is missing. Planned hazards have no verified one."
)


def _hazard(hazard: Hazard) -> str:
    lines = [
        f"## {hazard.id}",
        "",
        f"**{hazard.hazard}.** Status: {hazard.status}. Last assessed {hazard.date}; to act: {hazard.owner}.",
        "",
        f"- Cause: {hazard.cause}",
        f"- Effect: {hazard.effect}",
        f"- Harm: {hazard.harm}",
        f"- {_risk(hazard)}",
        f"- Left: {hazard.residual}",
    ]
    lines += [f"- Reason: {hazard.reason}"] if hazard.reason else []
    for control in hazard.control:
        lines.append(f"- Control ({control.kind.replace('_', ' ')}): {control.what}")
        lines.append(code(control.tests).rstrip("\n") if control.tests else "  - not verified here yet")
    return "\n".join(lines)


def _risk(hazard: Hazard) -> str:
    before, after = hazard.initial_risk, hazard.residual_risk
    return (
        f"Severity {hazard.severity}, likelihood {hazard.likelihood} before and {hazard.likelihood_after} after: "
        f"risk {before.level} ({before.acceptability}), residual {after.level} ({after.acceptability})"
    )


def _trace(data: Data) -> str:
    helped: dict[str, list[str]] = {}
    for one in data.requirements:
        for hazard in one.hazards:
            helped.setdefault(hazard, []).append(one.id)
    rows = ((h.id, h.hazard, ", ".join(helped.get(h.id, ())), len(h.verification)) for h in data.hazards)
    return page(
        "# Requirements, tests, hazards",
        *map(_requirement, data.requirements),
        "## Hazards and the requirements that help to control them",
        table(("hazard", "what", "requirements", "tests of its controls"), rows),
    )


def _requirement(one: SafetyRequirement) -> str:
    hazards = f" Hazards: {', '.join(one.hazards)}." if one.hazards else ""
    tests = code(one.tests).rstrip("\n") if one.tests else "  - planned: not verified here yet"
    return f"- **{one.id}** {one.text} ({one.source}).{hazards}\n{tests}"


def _class(data: Data) -> str:
    proposed = data.software_class
    return page(
        "# Software safety class",
        f"Proposed in the sense of IEC 62304: **class {proposed.proposed}**. No assessor has confirmed it.",
        "## Why",
        items(proposed.rationale),
        "## What follows",
        items(proposed.consequences),
    )


def _fda(data: Data) -> str:
    guidance = data.fda_cds
    criteria = (f"**Criterion {n}.** {text}" for n, text in enumerate(guidance.criteria, 1))
    return page(
        "# The FDA's criteria for clinical decision support that is no device",
        f"{guidance.title}.",
        guidance.standing,
        items(criteria),
        *map(_endpoint, guidance.endpoints),
    )


def _endpoint(endpoint: EndpointMapping) -> str:
    rows = ((c.criterion, c.met, c.how, c.doubt or "", " ".join(f"`{t}`" for t in c.tests)) for c in endpoint.criteria)
    title = ", ".join(f"`{path}`" for path in endpoint.paths)
    return "\n".join((f"## {title}", "", endpoint.what, "", table(("criterion", "", "why", "doubt", "tests"), rows)))


_ATTRIBUTES = (
    "What the rule asks to be told of evidence-based decision support, and where it is told: "
    "`GET /v1/rules/{id}/source-attributes`. The service is no certified health IT; the attributes are there for those "
    "who use it in such."
)


def _onc(data: Data) -> str:
    rows = ((a.attribute, f"`{a.field}`", a.note or "") for a in data.onc_hti_1)
    return page(
        "# Source attributes (ONC, HTI-1)",
        _ATTRIBUTES,
        table(("attribute", "field", "note"), rows),
    )


def _soup(data: Data, packages: dict[str, Locked]) -> str:
    brought = ((n, ", ".join(p.versions), ", ".join(p.brought_by)) for n, p in packages.items() if n not in data.soup)
    return page(
        "# Software of unknown provenance",
        "Everything of others that production runs on, from uv.lock. Where two versions stand they differ by Python's.",
        *_entries(data, packages),
        "## Brought along",
        "Known through those that bring them: what is checked there is checked with them.",
        table(("package", "version", "brought by"), brought),
    )


def _entries(data: Data, packages: dict[str, Locked]) -> Iterator[str]:
    for name, record in data.soup.items():
        versions = ", ".join(packages[name].versions) if name in packages else "not locked"
        lines = [f"## {name} {versions}", "", f"Licence: {record.licence or 'not stated'}.", ""]
        lines += [f"- For: {record.purpose}", f"- If wrong: {record.if_wrong}", f"- Noticed by: {record.check}"]
        lines += [f"- Known: {anomaly}" for anomaly in record.anomalies]
        yield "\n".join(lines) + ("\n" + code(record.tests) if record.tests else "")
