"""Tables a clinician can read: case definitions, MAS criteria and HScore, each number below, at, above and missing.

A case says what is sent (`send`, on top of the table's `base`; "absent" takes a field away) and what must come back:
the status in `expect` (for the HScore minimum and maximum), and optionally `missing`, `case_class`, `possible`,
`warns`, `silent`, `probability`, `cutoff`. `rule` names the row of the rulebook a case is about, as rule_set/row.
"""

import csv
import json
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from app.clinical.case_definitions import CaseDefinitions
from app.clinical.facts import Facts
from app.clinical.macrophage_activation import MacrophageActivation
from app.clinical.presentation import Presentation
from app.clinical.quantities import Quantities
from app.clinical.rulebook import LoadedRuleSet, Rulebook, load_rulebook
from app.clinical.shock import CardiovascularShock
from app.clinical.vasoactive import Vasoactives

HERE = Path(__file__).parent
TABLES = ("cdc_2020", "cste_2023", "who_2020", "rcpch_2020", "ravelli_2016", "hscore_2014")
RULE_SETS = ("cdc-han-2020", "cste-cdc-2023", "who-2020", "rcpch-2020", "ravelli-mas-2016", "hscore-2014")
KEYS = {
    "name",
    "rule",
    "send",
    "expect",
    "missing",
    "case_class",
    "possible",
    "warns",
    "silent",
    "probability",
    "cutoff",
}
RULEBOOK = load_rulebook()
QUANTITIES = Quantities(RULEBOOK)
SHOCK = CardiovascularShock(RULEBOOK, Vasoactives(RULEBOOK))


class Judges:
    """Everything of ours that a rulebook gives."""

    def __init__(self, rulebook):
        self._definitions = CaseDefinitions(rulebook)
        self._macrophages = MacrophageActivation(rulebook)

    def judge(self, definition, request):
        facts = Facts.of(request, QUANTITIES.measure_all(request.labs or ()))
        if definition in {"ravelli_2016", "hscore_2014"}:
            macrophages = self._macrophages.judge(facts)
            return (macrophages.hscore if definition == "hscore_2014" else macrophages.ravelli_2016), ()
        shock = SHOCK.judge(facts)
        judged = self._definitions.judge(facts, hypotension=shock.hypotension, cv_shock=shock.cv_shock)
        return getattr(judged, definition), judged.cautions


def _cases():
    for name in TABLES:
        table = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
        for case in table["case"]:
            assert set(case) <= KEYS, f"{name}: {case['name']}: a misspelt key would test nothing"
            yield table["definition"], table["base"], case


CASES = list(_cases())


def presentation(base, send):
    """Put `send` on `base`, by dotted path; labs stand by analyte."""
    request = json.loads(json.dumps(base))
    for path, value in send.items():
        target = request
        *parents, last = path.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        if value == "absent":
            del target[last]
        else:
            target[last] = value
    if "labs" in request:
        request["labs"] = [{"analyte": slug} | lab for slug, lab in request["labs"].items()]
    return Presentation.model_validate_json(json.dumps(request))


def outcome(judges, definition, base, case):
    """Return what the case expects and what came back, by the same keys."""
    found, cautions = judges.judge(definition, presentation(base, case.get("send", {})))
    codes = {c.code for c in cautions}
    expected = {k: case[k] for k in case.keys() - {"name", "rule", "send"}}
    if definition == "hscore_2014":
        came = {"expect": [found.minimum, found.maximum], "probability": list(found.probability)}
        came |= {"cutoff": found.reaches_cutoff}
        assert found.complete == (not found.missing)
    else:
        came = {"expect": found.status, "warns": [c for c in case.get("warns", []) if c in codes]}
        came |= {"silent": [c for c in case.get("silent", []) if c not in codes]}
    if definition == "cste_2023":
        came |= {"case_class": found.case_class, "possible": list(found.possible_case_classes)}
    came["missing"] = list(found.missing)
    return expected, {k: came[k] for k in expected}


def _name(value):
    return value["name"] if isinstance(value, dict) and "name" in value else None


@pytest.fixture(scope="module")
def judges():
    return Judges(RULEBOOK)


@pytest.mark.parametrize(("definition", "base", "case"), [pytest.param(*c, id=f"{c[0]}: {_name(c[2])}") for c in CASES])
def test_case(judges, definition, base, case):
    expected, came = outcome(judges, definition, base, case)
    assert came == expected


@pytest.mark.parametrize("case", [c for c in CASES if c[0] == "cste_2023"], ids=lambda c: c[2]["name"])
def test_a_decided_class_agrees_with_the_status(judges, case):
    found, _ = judges.judge(case[0], presentation(case[1], case[2].get("send", {})))
    is_case = {c != "not_a_case" for c in found.possible_case_classes}
    status = {frozenset({True}): "met", frozenset({False}): "not_met", frozenset({True, False}): "unknown"}
    assert status[frozenset(is_case)] == found.status
    assert (found.case_class is None) == (len(found.possible_case_classes) > 1)
    assert bool(found.missing) == (found.case_class is None)


def test_no_case_stands_twice():
    names = [(c[0], c[2]["name"]) for c in CASES]
    assert len(names) == len(set(names))


OTHER_SIDE = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}
THRESHOLDS = [(s, t.id) for s in RULE_SETS for t in RULEBOOK[s].content.threshold]
PARAMETERS = [(s, p.id) for s in RULE_SETS for p in RULEBOOK[s].content.parameter]


def _rebuilt(row, update):
    """Make the row anew: a copy would keep what the old one has worked out of its fields."""
    return type(row)(**({name: getattr(row, name) for name in type(row).model_fields} | update))


def _changed(rule_set, kind, key, **update):
    loaded = RULEBOOK[rule_set]
    rows = tuple(_rebuilt(r, update) if r.id == key else r for r in getattr(loaded.content, kind))
    content = loaded.content.model_copy(update={kind: rows})
    changed = LoadedRuleSet(content, loaded.sha256, loaded.file, loaded.origin)
    return Rulebook([changed if s.id == rule_set else s for s in RULEBOOK.all()])


def _noticed(rule, rulebook):
    judges = Judges(rulebook)
    outcomes = [outcome(judges, *c) for c in CASES if c[2].get("rule") == rule]
    return any(expected != came for expected, came in outcomes)


@pytest.mark.parametrize(("rule_set", "key"), THRESHOLDS)
def test_a_wrong_bound_is_noticed_by_the_cases_of_its_threshold(rule_set, key):
    row = RULEBOOK[rule_set].threshold(key)
    rulebook = _changed(rule_set, "threshold", key, operator=OTHER_SIDE[row.operator])
    assert _noticed(f"{rule_set}/{key}", rulebook)


@pytest.mark.parametrize(("rule_set", "key"), [*THRESHOLDS, *PARAMETERS])
@pytest.mark.parametrize("way", [1, -1])
def test_a_wrong_number_is_noticed_by_its_cases(rule_set, key, way):
    kind = "threshold" if (rule_set, key) in THRESHOLDS else "parameter"
    row = next(r for r in getattr(RULEBOOK[rule_set].content, kind) if r.id == key)
    assert _noticed(f"{rule_set}/{key}", _changed(rule_set, kind, key, value=row.value + way))


POINTED = [
    (table.id, index)
    for table in RULEBOOK["hscore-2014"].content.table
    if table.id != "probability"
    for index in range(len(table.band))
]
SWAPPED = {"inclusive": "exclusive", "exclusive": "inclusive"}


def _with_bands(key, change):
    table = RULEBOOK["hscore-2014"].table(key)
    return _changed("hscore-2014", "table", key, band=tuple(change(i, b) for i, b in enumerate(table.band)))


@pytest.mark.parametrize(("key", "index"), POINTED)
def test_wrong_points_are_noticed_by_the_cases_of_their_table(key, index):
    rulebook = _with_bands(key, lambda i, b: b.model_copy(update={"points": b.points + (i == index)}))
    assert _noticed(f"hscore-2014/{key}", rulebook)


@pytest.mark.parametrize(("key", "index"), [(k, i) for k, i in POINTED if i > 0 and k != "cytopenia"])
def test_a_bound_on_the_wrong_side_is_noticed_by_the_cases_of_its_table(key, index):
    def swap(i, band):
        update = {}
        if i == index:
            update["lower_bound"] = SWAPPED[band.lower_bound]
        if i == index - 1:
            update["upper_bound"] = SWAPPED[band.upper_bound]
        return band.model_copy(update=update)

    assert _noticed(f"hscore-2014/{key}", _with_bands(key, swap))


@pytest.mark.parametrize(
    "row", list(csv.DictReader((HERE / "hscore_probability.csv").read_text(encoding="utf-8").splitlines()))
)
def test_the_printed_probabilities_around_a_score(row):
    band = RULEBOOK["hscore-2014"].table("probability").find(Decimal(row["score"]))
    assert (band.low, band.high) == (Decimal(row["low"]), Decimal(row["high"]))
