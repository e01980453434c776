"""Tables a clinician can read: Kawasaki disease, shock, coronaries, phenotype; each number below, at, above, missing.

A case says what is sent (`send`, on top of the table's `base`; "absent" takes a field away) and what must come back:
`expect` by dotted path in the answer ("null" is null), `findings` by id, `warns` and `silent` by the warnings' codes,
or `refused` by the code of the refusal. `rule` names the row or rows of the rulebook it is about, as rule_set/row.
"""

import functools
import json
import tomllib
from pathlib import Path

import pytest

from app.api.fast_json import encode
from app.clinical.phenotype import PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, Rulebook, load_rulebook

HERE = Path(__file__).parent
TABLES = ("kawasaki", "shock", "coronary", "phenotype")
RULE_SETS = (
    "aha-kd-2017",
    "kanegaye-kdss-2009",
    "pals-hypotension",
    "misc-cv-shock-2023",
    "vis-2010",
    "misc-phenotype-2023",
)
KEYS = {"name", "rule", "send", "expect", "findings", "warns", "silent", "refused"}
RULEBOOK = load_rulebook()


def _cases():
    for name in TABLES:
        table = tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
        for case in table["case"]:
            assert set(case) <= KEYS, f"{name}: {case['name']}: a misspelt key would test nothing"
            yield pytest.param(table["base"], case, id=f"{name}: {case['name']}")


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


def every(answer):
    """Yield every Finding of an answer."""
    if isinstance(answer, dict):
        if {"id", "status", "of"} <= set(answer):
            yield answer
        for part in answer.values():
            yield from every(part)
    if isinstance(answer, list):
        for part in answer:
            yield from every(part)


def outcome(classifier, base, case):
    """Return what the case expects and what came back, by the same keys."""
    expected = {k: case[k] for k in case.keys() & {"expect", "findings", "warns", "silent", "refused"}}
    try:
        answer = json.loads(encode(classifier.classify(presentation(base, case.get("send", {})))))
    except RefusedInputError as refusal:
        return expected, {"refused": refusal.errors[0].code}
    statuses = {f["id"]: f["status"] for f in every(answer) if not f["id"].startswith(("cdc", "cste", "who", "rcpch"))}
    codes = {w["code"] for w in answer["warnings"]}
    came = {
        "expect": {path: _at(answer, path) for path in case.get("expect", {})},
        "findings": {name: statuses.get(name) for name in case.get("findings", {})},
        "warns": [c for c in case.get("warns", []) if c in codes],
        "silent": [c for c in case.get("silent", []) if c not in codes],
    }
    return expected, {k: came.get(k) for k in expected}


def _at(answer, path):
    for step in path.split("."):
        answer = answer[step]
    return "null" if answer is None else answer


@pytest.fixture(scope="module")
def classifier():
    return PhenotypeClassifier(RULEBOOK)


@pytest.mark.parametrize(("base", "case"), CASES)
def test_case(classifier, base, case):
    assert case.keys() & {"expect", "findings", "warns", "silent", "refused"}, "a case must be able to fail"
    expected, came = outcome(classifier, base, case)
    assert came == expected


def test_no_case_stands_twice():
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))


OTHER_SIDE = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}
THRESHOLDS = [(s, t.id) for s in RULE_SETS for t in RULEBOOK[s].content.threshold]
PARAMETERS = [(s, p.id) for s in RULE_SETS for p in RULEBOOK[s].content.parameter]
# At ten years the child's formula gives the limit of those who are older: a shift upwards, or the other side, is equal.
SAME_RULE = {("pals-hypotension/age.adolescent", "up"), ("pals-hypotension/age.adolescent", "other side")}


def _changed(rule_set, kind, key, **update):
    """Return a rulebook with one row made anew: a copy would keep what the old one has worked out of its fields."""
    loaded = RULEBOOK[rule_set]

    def changed(row):
        fields = {name: getattr(row, name) for name in type(row).model_fields}
        return type(row)(**(fields | update)) if row.id == key else row

    content = loaded.content.model_copy(update={kind: tuple(map(changed, getattr(loaded.content, kind)))})
    other = LoadedRuleSet(content, loaded.sha256, loaded.file, loaded.origin)
    return Rulebook([other if s.id == rule_set else s for s in RULEBOOK.all()])


@functools.cache
def _of(rule):
    return [
        c.values for c in CASES if rule in (r := c.values[1].get("rule", ())) and (isinstance(r, list) or r == rule)
    ]


def _noticed(rule, rulebook):
    changed = PhenotypeClassifier(rulebook)
    outcomes = [outcome(changed, *values) for values in _of(rule)]
    return any(expected != came for expected, came in outcomes)


@pytest.mark.parametrize(("rule_set", "key"), THRESHOLDS)
def test_a_wrong_bound_is_noticed_by_the_cases_of_its_threshold(rule_set, key):
    rule = f"{rule_set}/{key}"
    row = RULEBOOK[rule_set].threshold(key)
    rulebook = _changed(rule_set, "threshold", key, operator=OTHER_SIDE[row.operator])
    assert _noticed(rule, rulebook) != ((rule, "other side") in SAME_RULE)


@pytest.mark.parametrize(("rule_set", "key"), [*THRESHOLDS, *PARAMETERS])
@pytest.mark.parametrize(("way", "step"), [("up", 1), ("down", -1)])
def test_a_wrong_number_is_noticed_by_its_cases(rule_set, key, way, step):
    rule = f"{rule_set}/{key}"
    kind = "threshold" if (rule_set, key) in THRESHOLDS else "parameter"
    row = next(r for r in getattr(RULEBOOK[rule_set].content, kind) if r.id == key)
    rulebook = _changed(rule_set, kind, key, value=row.value + step)
    assert _noticed(rule, rulebook) != ((rule, way) in SAME_RULE)
