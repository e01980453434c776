import json

import pytest
from pydantic import ValidationError

from app.clinical.phenotype import PhenotypeClassifier
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation import DerivationOptions, Deriver
from app.cohorts.derivation.child import presentation_of
from app.cohorts.records import PatientRecord

RULEBOOK = load_rulebook()
DERIVER = Deriver(RULEBOOK)
EXAMPLE = PatientRecord.model_config["json_schema_extra"]["examples"][0]


def read(**fields):
    return PatientRecord.model_validate_json(json.dumps({"patient_id": "P01", **fields}))


def example(**changes):
    return read(**{**EXAMPLE, **changes})


def test_the_documented_example():
    accepted = DERIVER.accept(example())
    derived = accepted.derived
    assert derived.stratum.key() == "ivig_anakinra/no/yes/stress/male"
    assert derived.rounded == []
    assert derived.disagreements == []
    assert derived.facts["phenotype"] == "kd_like"
    assert derived.facts["anakinra_role"] == "adjunct"
    assert derived.values["lab.bnp"] == 33390
    assert accepted.record.model_dump_json(exclude_unset=True) == example().model_dump_json(exclude_unset=True)


def test_facts_are_json():
    derived = DERIVER.derive(example())
    assert json.loads(json.dumps(derived.facts)) == derived.facts
    assert json.loads(json.dumps(derived.disagreements)) == derived.disagreements
    assert {"phenotype", "possible_phenotypes", "treatment_group", "corticosteroids", "anakinra_role"} <= set(
        derived.facts
    )


def test_a_stated_end_of_fever_keeps_the_derived_one_beside_it():
    temperatures = [{"hour": 0, "celsius": 39.4, "site": "oral"}, {"hour": 40, "celsius": 37.2, "site": "oral"}]
    derived = DERIVER.derive(example(temperatures=temperatures))
    told = derived.facts["defervescence"]["from_admission"]
    assert told["hours"] == 52.0
    assert told["basis"] == "stated"
    assert told["from_temperatures"] == {"hours": 40.0, "observed": True}
    assert derived.disagreements == [
        {
            "field": "defervescence",
            "stated": {"hours": 52.0, "observed": True},
            "derived": {"hours": 40.0, "observed": True},
            "message": derived.disagreements[0]["message"],
        }
    ]


def test_a_stated_phenotype_keeps_the_derived_one_beside_it():
    derived = DERIVER.derive(example(phenotype={"kd_like": False, "cv_shock": False}))
    assert derived.facts["phenotype"] == "non_specific"
    assert derived.facts["from_presentation"]["phenotype"] == "kd_like"
    assert [d["field"] for d in derived.disagreements] == ["phenotype.kd_like"]


def test_a_stated_event_keeps_the_derived_grades_beside_it():
    labs = [
        {"analyte": "alt", "value": 30, "unit": "U/L", "upper_limit": 40, "hour": 2},
        {"analyte": "alt", "value": 90, "unit": "U/L", "upper_limit": 40, "hour": 60},
    ]
    derived = DERIVER.derive(example(labs=labs))
    assert derived.facts["adverse_events"]["elevated_lfts"] == {"observed": True, "grade": 1, "derived_grades": [1]}
    assert derived.facts["adverse_events"]["since"] == {"hour": 26.0, "basis": "anakinra_start"}
    assert derived.disagreements == []


def test_more_digits_are_rounded_and_named():
    accepted = DERIVER.accept(
        example(age_years=8.129, labs=[{"analyte": "crp", "value": 154.26, "unit": "mg/L", "hour": 2}])
    )
    assert accepted.derived.rounded == [
        {"field": "/age_years", "kept": 8.13},
        {"field": "/labs/0/value", "kept": 154.3},
    ]
    assert accepted.record.age_years == 8.13
    assert accepted.record.labs[0].value == 154.3
    assert accepted.derived.values["age_years"] == 813
    assert accepted.derived.values["lab.crp"] == 1543


def test_rounding_keeps_null_and_absent_apart():
    accepted = DERIVER.accept(read(age_years=8.129, treatment={"anakinra": None}))
    assert accepted.derived.stratum.treatment == "unknown"
    assert json.loads(accepted.record.model_dump_json(exclude_unset=True))["treatment"] == {"anakinra": None}


def test_a_cytokine_is_rounded_in_its_own_unit():
    accepted = DERIVER.accept(read(cytokines={"il_6": {"value": 30.123, "unit": "pg/mL", "upper_limit": 5}}))
    assert accepted.derived.rounded == [{"field": "/cytokines/il_6/value", "kept": 30.12}]
    assert accepted.derived.values["cytokine.il_6"] == 602


def test_an_unknown_option_is_refused():
    with pytest.raises(RefusedInputError) as refusal:
        Deriver(RULEBOOK, DerivationOptions(ctcae_version="7.0"))
    assert refusal.value.errors[0].code == "version_unknown"
    with pytest.raises(RefusedInputError):
        Deriver(RULEBOOK, DerivationOptions(protocol="nobody's"))


def test_another_version_of_ctcae_gives_another_grade():
    labs = [
        {"analyte": "neutrophils", "value": 4, "unit": "10*3/uL", "lower_limit": 1.8, "hour": 2},
        {"analyte": "neutrophils", "value": 0.9, "unit": "10*3/uL", "lower_limit": 1.8, "hour": 60},
    ]
    record = read(treatment={"anakinra": {"started_hour": 24}}, labs=labs)
    newer = Deriver(RULEBOOK, DerivationOptions(ctcae_version="6.0"))
    assert DERIVER.derive(record).values["ae.neutropenia.grade"] == 3
    assert newer.derive(record).values["ae.neutropenia.grade"] == 2
    assert {r.id for r in newer.rules} - {r.id for r in DERIVER.rules} == {"ctcae-6.0"}


def test_the_definition_of_refractory_is_an_option():
    record = read(
        icu_level_of_care=False,
        phenotype={"cv_shock": False},
        treatment={"ivig": {"ended_hour": 10}, "anakinra": {"started_hour": 40}},
        temperatures=[{"hour": 36, "celsius": 38.6, "site": "oral"}],
    )
    earlier = Deriver(RULEBOOK, DerivationOptions(refractory_definition="jcs_24h"))
    assert DERIVER.derive(record).facts["anakinra_role"] is None
    assert earlier.derive(record).facts["anakinra_role"] == "rescue"


def test_rules_are_named_with_their_hash():
    assert DERIVER.rules[0].id == "misc-cohort-2023"
    assert all(len(r.sha256) == 64 and r.version for r in DERIVER.rules)
    assert {"aha-kd-2017", "misc-cv-shock-2023", "ctcae-5.0", "childrens-national-2020"} <= {
        r.id for r in DERIVER.rules
    }


def test_findings_are_the_full_answer_for_the_merged_presentation():
    record = example()
    findings = DERIVER.findings(record)
    presentation = presentation_of(record, DERIVER._labs.read(record, []))
    assert findings.phenotype == PhenotypeClassifier(RULEBOOK).classify(presentation)
    assert findings.phenotype.kd_like.status == "met"
    assert findings.missing == ()
    assert presentation.age_years == 8
    assert presentation.echocardiogram.lvef_percent == 48


def test_findings_show_the_values_behind_an_event():
    labs = [
        {"analyte": "alt", "value": 30, "unit": "U/L", "upper_limit": 40, "hour": 2},
        {"analyte": "alt", "value": 90, "unit": "U/L", "upper_limit": 40, "hour": 60},
        {"analyte": "alt", "value": 50, "unit": "U/L", "upper_limit": 40, "hour": 80},
        {"analyte": "ast", "value": 50, "unit": "U/L", "upper_limit": 40, "hour": 2},
    ]
    (one,) = DERIVER.findings(example(labs=labs)).adverse_events
    assert (one.event, one.term, one.since_hour, one.since) == (
        "elevated_lfts",
        "alanine_aminotransferase_increased",
        26.0,
        "anakinra_start",
    )
    assert (one.before.hour, one.before.value, one.worst.value) == (2.0, 30.0, 90.0)
    assert one.possible_grades == (1,)


def test_findings_without_a_presentation_say_what_is_missing():
    findings = DERIVER.findings(read(treatment={"anakinra": False}))
    assert findings.phenotype is None
    assert findings.indication is None
    assert findings.missing == ("presentation", "age_years")


def test_the_indication_at_the_first_dose():
    record = read(
        icu_level_of_care=False,
        phenotype={"cv_shock": False},
        treatment={"ivig": {"ended_hour": 10}, "anakinra": {"started_hour": 50}},
        temperatures=[{"hour": 48, "celsius": 38.6, "site": "oral"}],
    )
    indication = DERIVER.findings(record).indication
    assert indication.indication == DERIVER.derive(record).facts["anakinra_role"] == "rescue"


@pytest.mark.parametrize(
    "fields",
    [
        {"wieght_kg": 27},
        {"age_years": "8"},
        {"age_years": True},
        {"treatment": {"anakinra": True}},
        {"treatment": {"anakinra": {"strated_hour": 3}}},
        {"temperatures": [{"hour": 0, "celsius": 39, "site": "mouth"}]},
        {"race_ethnicity": []},
        {"cytokines": {"il_99": {"fold": 1}}},
        {"adverse_events": [{"term": "x", "grade": 6}]},
    ],
)
def test_a_record_is_read_strictly(fields):
    with pytest.raises(ValidationError):
        read(**fields)


def test_only_the_id_is_needed():
    with pytest.raises(ValidationError):
        PatientRecord.model_validate_json("{}")
    assert DERIVER.derive(read()).stratum.key() == "unknown/unknown/unknown/unknown/unknown"


def test_a_fault_inside_a_treatment_is_the_only_one_told():
    with pytest.raises(ValidationError) as error:
        read(treatment={"anakinra": {"started_hour": "soon"}})
    assert error.value.error_count() == 1


def test_a_fault_of_an_events_facts_is_told_at_its_place():
    with pytest.raises(RefusedInputError) as refusal:
        DERIVER.derive(read(adverse_events=[{"term": "rash", "facts": {"body_surface_percent": 5}}]))
    assert refusal.value.errors[0].pointer == "/adverse_events/0/facts"
    with pytest.raises(RefusedInputError) as refusal:
        DERIVER.derive(read(adverse_events=[{"term": "urticaria", "facts": {"body_surface_percent": "much"}}]))
    assert refusal.value.errors[0].pointer == "/adverse_events/0/facts/body_surface_percent"


def test_a_record_full_of_faults_is_refused_in_time():
    labs = [{"analyte": f"nothing_{n}", "value": 1, "unit": "mg/L", "hour": 1} for n in range(1000)]
    events = [{"term": f"nothing {n}"} for n in range(500)]
    with pytest.raises(RefusedInputError) as refusal:
        DERIVER.derive(read(labs=labs, adverse_events=events))
    assert len(refusal.value.errors) == 50


def test_unknown_terms_are_told_with_a_suggestion_once():
    events = [{"term": "neutrophil count decreassed"}, {"term": "anaphylaxiss"}]
    with pytest.raises(RefusedInputError) as refusal:
        DERIVER.derive(read(adverse_events=events))
    first, second = refusal.value.errors
    assert first.allowed[0] == "neutrophil_count_decreased"
    assert (second.pointer, second.allowed) == ("/adverse_events/1/term", ())


def test_no_message_repeats_a_value():
    faulty = read(
        patient_id="Smith1945x",
        age_years=777.77,
        labs=[{"analyte": "crp", "value": 98765.4, "unit": "mg/L", "hour": 654321}],
        adverse_events=[{"term": "anaphylaxis", "grade": 1}],
    )
    with pytest.raises(RefusedInputError) as refusal:
        DERIVER.derive(faulty)
    words = " ".join(e.message for e in refusal.value.errors)
    assert not any(value in words for value in ("777.77", "98765", "654321", "Smith"))


def test_every_field_is_described():
    schema = PatientRecord.model_json_schema()
    undescribed = [
        f"{name}.{field}"
        for name, part in {"PatientRecord": schema, **schema["$defs"]}.items()
        for field, about in part.get("properties", {}).items()
        if "description" not in about
    ]
    assert undescribed == []


def test_memories_are_bounded(monkeypatch):
    from app.cohorts.derivation import lab_entries, record_parts  # noqa: PLC0415 - patched here alone

    monkeypatch.setattr(lab_entries, "_REMEMBERED", 3)
    monkeypatch.setattr(record_parts, "_REMEMBERED", 3)
    deriver = Deriver(RULEBOOK)
    for number in range(10):
        labs = [{"analyte": "crp", "value": 10 + number, "unit": "mg/L", "upper_limit": 5 + number, "hour": number}]
        temperatures = [{"hour": number, "celsius": 37 + number / 10, "site": "oral"}]
        deriver.derive(read(labs=labs, temperatures=temperatures))
    entry = deriver._labs._entries.get(("crp", "mg/L"))
    assert len(entry.good) <= 3
    assert len(entry.good_limits) <= 3
    assert len(deriver._labs._hour.good) <= 3
