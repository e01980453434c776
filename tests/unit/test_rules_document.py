"""docs/rules.md tells the truth: its example is a rule file that works, and its messages are those that are said."""

import re
from pathlib import Path

import pytest

from app.clinical.anakinra.protocol import Protocols
from app.clinical.rulebook import RulebookError, load_rulebook

DOCUMENT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL).group(1)
STEP = 'id = "wean.step"\nvalue = 1\nunit = "mg/kg/day"\nsource = "protocol-17"'


def build(folder, text):
    (folder / "example-hospital-2026.toml").write_text(text, encoding="utf-8")
    return Protocols(load_rulebook(folder))


def test_the_example_is_a_protocol(tmp_path):
    protocol = build(tmp_path, EXAMPLE).chosen("example-hospital-2026")
    assert protocol.rules.origin == "hospital"
    assert (protocol.critically_ill.low, protocol.interval_hours) == (6, 12)


FAULTS = {
    "a decimal comma": (STEP, STEP.replace("value = 1", "value = 1,0")),
    "a misspelt key": (STEP, STEP.replace("value", "vlaue")),
    "a number without unit": (STEP, STEP.replace('unit = "mg/kg/day"\n', "")),
    "text for a number": (STEP, STEP.replace("value = 1", 'value = "1"')),
    "a source that is not listed": (STEP, STEP.replace("protocol-17", "protocol-71")),
    "overlapping bands": ("low = 6\nhigh = 8", "low = 5\nhigh = 8"),
    "a number left out": ('[[parameter]]\nid = "per_dose_cap"\nvalue = 100\nunit = "mg"\nsource = "protocol-17"\n', ""),
    "a band above the ceiling": ("low = 6\nhigh = 8", "low = 6\nhigh = 9"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_as_the_document_says(tmp_path, fault):
    said = re.search(rf"^\| {fault} \| `(.*)` \|$", DOCUMENT, re.MULTILINE).group(1)
    old, new = FAULTS[fault]
    assert EXAMPLE.count(old) == 1
    with pytest.raises(RulebookError) as caught:
        build(tmp_path, EXAMPLE.replace(old, new))
    assert said in str(caught.value)


def test_every_fault_of_the_document_is_tried():
    rows = re.findall(r"^\| (.*?) \| `example-hospital", DOCUMENT, re.MULTILINE)
    assert rows == list(FAULTS)
