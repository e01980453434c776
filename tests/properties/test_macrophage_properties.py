"""The HScore's range only narrows as more becomes known, over all subsets of its inputs; so do the 2016 criteria."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clinical.facts import Facts
from app.clinical.macrophage_activation import MacrophageActivation
from app.clinical.presentation import Presentation
from app.clinical.quantities import Quantities
from app.clinical.rulebook import load_rulebook

RULEBOOK = load_rulebook()
QUANTITIES = Quantities(RULEBOOK)
MACROPHAGES = MacrophageActivation(RULEBOOK)
STATED = ("known_immunosuppression", "hepatomegaly", "splenomegaly", "marrow_hemophagocytosis")
LABS = {
    "hemoglobin": ("g/dL", (8, 9.2, 12)),
    "wbc": ("10*3/uL", (3, 5, 8)),
    "platelets": ("10*3/uL", (50, 110, 181, 300)),
    "ferritin": ("ng/mL", (100, 684, 2000, 6000, 9000)),
    "triglycerides": ("mmol/L", (1, 1.5, 1.77, 4, 5)),
    "fibrinogen": ("g/L", (1, 2.5, 3.6, 5)),
    "ast": ("U/L", (20, 30, 49)),
}
CHOICES = {
    **dict.fromkeys(STATED, (False, True)),
    "maximum_celsius": (37, 38, 38.4, 39.4, 40),
    "subjective": (False, True),
    **{name: values for name, (_, values) in LABS.items()},
}
children = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHOICES.items()})


def judge(known):
    request = Presentation.model_validate(
        {
            "age_years": 8,
            "fever": {name: known.get(name) for name in ("maximum_celsius", "subjective")},
            "hemophagocytic": {name: known.get(name) for name in STATED},
            "labs": tuple(
                {"analyte": name, "value": known[name], "unit": unit}
                for name, (unit, _) in LABS.items()
                if name in known
            ),
        }
    )
    return MACROPHAGES.judge(Facts.of(request, QUANTITIES.measure_all(request.labs)))


def narrower(more, fewer):
    low, high = more.hscore, fewer.hscore
    return (
        high.minimum <= low.minimum <= low.maximum <= high.maximum
        and high.probability[0] <= low.probability[0] <= low.probability[1] <= high.probability[1]
        and high.reaches_cutoff in {"unknown", low.reaches_cutoff}
        and set(low.missing) <= set(high.missing)
    )


@settings(max_examples=300, deadline=None)
@given(known=children, left_out=st.sets(st.sampled_from(sorted(CHOICES))))
def test_fewer_inputs_never_contradict_more(known, left_out):
    more, fewer = judge(known), judge({n: v for n, v in known.items() if n not in left_out})
    assert narrower(more, fewer)
    assert fewer.ravelli_2016.status in {"unknown", more.ravelli_2016.status}
    assert more.hscore.complete
    assert more.hscore.minimum == more.hscore.maximum


@pytest.mark.parametrize("extreme", [0, -1])
def test_every_subset_of_the_inputs_brackets_the_whole(extreme):
    known = {name: values[extreme] for name, values in CHOICES.items() if name != "subjective"}
    whole = judge(known)
    names = sorted(known)
    for kept in product((True, False), repeat=len(names)):
        part = judge({n: known[n] for n, keep in zip(names, kept, strict=True) if keep})
        assert narrower(whole, part)
        assert part.ravelli_2016.status in {"unknown", whole.ravelli_2016.status}


@settings(max_examples=200, deadline=None)
@given(known=children)
def test_a_range_is_no_wider_than_the_values_that_could_come(known):
    """Taking one input away gives exactly the extremes over its possible values."""
    for name, values in CHOICES.items():
        if name == "subjective":
            continue
        scores = [judge(known | {name: value}).hscore.minimum for value in values]
        missing = judge({n: v for n, v in known.items() if n != name}).hscore
        assert (missing.minimum, missing.maximum) == (min(scores), max(scores))
