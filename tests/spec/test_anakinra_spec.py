"""Tables a clinician can read: dosing, weaning and treatment, each rule below, at, above and missing.

A case says what is sent (`send`, on top of the table's `base`; null takes a field away) and what must come back:
`expect` names fields of the answer by dotted path, `warns` and `silent` name warning codes, `refused` the pointer and
code of a refusal. `rule` names the row of the rulebook that the case is about, as rule_set/row.
"""

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.clinical.anakinra.course import WeanNext, WeanNextRequest
from app.clinical.anakinra.dose import DoseRequest, StartingDose
from app.clinical.anakinra.protocol import Protocols
from app.clinical.anakinra.titration import Titration, TitrationRequest
from app.clinical.anakinra.weaning import Weaning, WeanRequest
from app.clinical.patient import PatientCheck
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.clinical.treatment.aspirin import Aspirin, AspirinRequest
from app.clinical.treatment.indication import Indication, IndicationRequest
from app.clinical.treatment.ivig import Ivig, IvigRequest

HERE = Path(__file__).parent
RULEBOOK = load_rulebook()
PARTS = RULEBOOK, Protocols(RULEBOOK), PatientCheck(RULEBOOK)
CALLS = {
    "dose": (DoseRequest, StartingDose(*PARTS)),
    "titration": (TitrationRequest, Titration(*PARTS)),
    "wean": (WeanRequest, Weaning(*PARTS)),
    "wean_next": (WeanNextRequest, WeanNext(*PARTS)),
    "indication": (IndicationRequest, Indication(RULEBOOK)),
    "ivig": (IvigRequest, Ivig(RULEBOOK, PARTS[2])),
    "aspirin": (AspirinRequest, Aspirin(RULEBOOK, PARTS[2])),
}
OURS = (
    "childrens-national-2020",
    "kineret-label",
    "bedside-schwartz-2009",
    "acr-misc-2022",
    "nih-misc-2022",
    "ivig-refractory",
)
KEYS = {"name", "rule", "send", "expect", "warns", "silent", "refused"}


def _cases():
    for path in sorted([*HERE.glob("anakinra_*.toml"), *HERE.glob("treatment_*.toml")]):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for case in table["case"]:
            yield pytest.param(table["call"], table.get("base", {}), case, id=f"{path.stem}: {case['name']}")


CASES = list(_cases())


def _merged(base, send):
    """Put `send` on `base`; "absent" takes a field away, "null" sends a null (TOML has none)."""
    request = json.loads(json.dumps(base))
    for path, value in send.items():
        target = request
        *parents, last = path.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        if value == "absent":
            target.pop(last, None)
        else:
            target[last] = None if value == "null" else value
    return request


def _found(answer, path):
    for key in path.split("."):
        if key == "#":
            return len(answer)
        if key.startswith("*"):
            return [entry[key[1:]] for entry in answer]
        answer = answer[int(key)] if isinstance(answer, list) else answer[key]
    return answer


def _answer(call, request):
    model, function = CALLS[call]
    return json.loads(function(model.model_validate_json(json.dumps(request))).model_dump_json())


@pytest.mark.parametrize(("call", "base", "case"), CASES)
def test_case(call, base, case):
    assert set(case) <= KEYS, "a misspelt key would test nothing"
    assert {"expect", "warns", "silent", "refused"} & set(case), "a case must expect something"
    request = _merged(base, case.get("send", {}))
    if "refused" in case:
        return _check_refusal(call, request, case["refused"])
    answer = _answer(call, request)
    codes = {w["code"] for w in answer["warnings"]}
    for path, expected in case.get("expect", {}).items():
        assert _found(answer, path) == (None if expected == "null" else expected), path
    assert set(case.get("warns", [])) <= codes
    assert not set(case.get("silent", [])) & codes
    return None


def _check_refusal(call, request, refused):
    with pytest.raises((RefusedInputError, ValidationError)) as caught:
        _answer(call, request)
    if isinstance(caught.value, ValidationError):
        errors = [("/" + "/".join(map(str, e["loc"])), e["type"]) for e in caught.value.errors()]
    else:
        errors = [(e.pointer, e.code) for e in caught.value.errors]
    assert (refused["pointer"], refused["code"]) in errors


def test_every_number_of_the_rule_files_has_cases():
    named = {case.values[2].get("rule") for case in CASES}
    rows = {
        f"{key}/{row.id}"
        for key in OURS
        for kind in ("threshold", "parameter", "range")
        for row in getattr(RULEBOOK[key].content, kind)
    }
    assert rows - named == set()
    assert named - {None} - rows == set(), "a case names a rule that does not exist"


def test_no_case_stands_twice():
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))
