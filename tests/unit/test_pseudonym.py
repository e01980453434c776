import uuid

import pytest

from app.cohorts.pseudonym import fault_of


@pytest.mark.parametrize(
    "patient_id",
    [
        "P01",
        "1",
        "123456",
        "S0000001",
        "site-1_0042",
        "MIS-C-0001",
        "a.1",
        "P" * 63 + "1",
        "0f2e2285-3a21-4d68-809d-95276fc48af9",
        "d41d8cd98f00b204e9800998ecf8427e",
        "P12345678",
        "20-0042",
    ],
)
def test_a_pseudonym_passes(patient_id):
    assert fault_of(patient_id) is None


@pytest.mark.parametrize(
    ("patient_id", "code"),
    [
        ("John Smith", "id_name"),
        ("Smith, John", "id_name"),
        ("john.smith", "id_name"),
        ("JohnSmith1", "id_name"),
        ("Mary_Jones22", "id_name"),
        ("Jones", "id_name"),
        ("José1", "id_alphabet"),
        ("2020-05-15", "id_date"),
        ("15.05.2020", "id_date"),
        ("5/15/2020", "id_date"),
        ("P-2020-05-15", "id_date"),
        ("20200515", "id_date"),
        ("15052020", "id_date"),
        ("05152020", "id_date"),
        ("P20200515", "id_date"),
        ("202-555-0143", "id_telephone"),
        ("(202) 555-0143", "id_telephone"),
        ("1-202-555-0143", "id_telephone"),
        ("+12025550143", "id_telephone"),
        ("123-45-6789", "id_social_security"),
        ("P-123-45-6789", "id_social_security"),
        ("123456789", "id_chart_number"),
        ("1234567", "id_chart_number"),
        ("MRN1234", "id_chart_number"),
        ("mrn-12", "id_chart_number"),
        ("jane@clinic.org", "id_email"),
        ("jane1@clinic", "id_email"),
        ("", "id_alphabet"),
        (".1", "id_alphabet"),
        ("P 1", "id_alphabet"),
        ("P/1", "id_alphabet"),
        ("a/b", "id_alphabet"),
        ("Søren Ærø", "id_name"),
        ("P1\n", "id_alphabet"),
        ("=P1", "id_alphabet"),
        ("P" * 64 + "1", "id_alphabet"),
    ],
)
def test_what_is_none_is_refused_and_not_repeated(patient_id, code):
    fault = fault_of(patient_id)
    assert fault is not None
    assert fault.code == code
    assert fault.pointer == "/patient_id"
    assert not patient_id or patient_id not in fault.message


def test_uuids_pass():
    ids = [str(uuid.UUID(int=0x123456789ABCDEF * n % 2**128, version=4)) for n in range(1, 2000)]
    assert [i for i in ids if fault_of(i) is not None] == []


def test_running_numbers_pass():
    assert [n for n in range(0, 3_000_000, 997) if fault_of(f"S{n:07d}") is not None] == []
