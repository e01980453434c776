"""Patient ids are pseudonyms: what looks like a person's own data is refused, with the reason and without the value.

Allowed are 1 to 64 ASCII letters, digits, full stops, hyphens and underscores, beginning with a letter or a digit,
with at least one digit. The rest are guesses at what should not be here; a name with a number behind it may pass.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from app.clinical.refusal import InputError

_POINTER: Final = "/patient_id"
_ALPHABET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
_DIGIT: Final = re.compile(r"[0-9]")
# Two words with capitals and at most two digits behind them: "JohnSmith", "Mary_Jones2".
_NAME: Final = re.compile(r"[A-Z][a-z]+[._-]?[A-Z][a-z]+[._-]?[0-9]{0,2}\Z")
# Letters of any language, and what stands between the words of a name.
_WORDS: Final = re.compile(r"[^\W\d_][\w .,'\u2019_-]*\Z")
_SOCIAL_SECURITY: Final = re.compile(r"(?<![0-9])[0-9]{3}[-._ ][0-9]{2}[-._ ][0-9]{4}(?![0-9])")
_TELEPHONE: Final = re.compile(
    r"(?<![0-9])(?:[0-9]{1,3}[-._ ])?\(?[0-9]{3}\)?[-._ ][0-9]{3}[-._ ][0-9]{4}(?![0-9])|\A\+"
)
_WRITTEN_DATE: Final = re.compile(
    r"(?<![0-9])(?:(?:19|20)[0-9]{2}[-._/ ][01]?[0-9][-._/ ][0-3]?[0-9]"
    r"|[0-3]?[0-9][-._/ ][0-3]?[0-9][-._/ ](?:19|20)[0-9]{2})(?![0-9])"
)
_COMPACT_DATE: Final = re.compile(r"(?<![0-9])((?:19|20)[0-9]{2})([01][0-9])([0-3][0-9])(?![0-9])")
_COMPACT_DATE_LAST: Final = re.compile(r"([0-3][0-9])([0-3][0-9])((?:19|20)[0-9]{2})\Z")
_CHART: Final = re.compile(r"(?i)(?:mrn|ssn|dob|tel)(?![a-z])")
# As many digits and nothing else are a chart's number, a telephone's or one of social security.
_LONG_NUMBER: Final = re.compile(r"[0-9]{7,}\Z")

# One or two letters and a running number: nothing below can match it, and most ids are such.
_RUNNING: Final = re.compile(r"[A-Za-z]{1,2}(?:[0-9]{1,7}|0[0-9]{7})\Z")

_REASONS: Final = {
    "id_email": "This looks like an e-mail address.",
    "id_date": "This looks like a date.",
    "id_telephone": "This looks like a telephone number.",
    "id_social_security": "This looks like a social security number.",
    "id_chart_number": "This looks like the number of a chart (or a telephone): seven or more digits by themselves, "
    "or a name such as MRN.",
    "id_name": "This looks like a person's name: a pseudonym has at least one digit and is not made of two names.",
    "id_alphabet": "A pseudonym has 1 to 64 letters (A to Z), digits, full stops, hyphens or underscores and begins "
    "with a letter or digit.",
}
_TRACES: Final = (
    (re.compile(r"[^\s@]+@[^\s@]+\.[^\s@.]{2,}"), "an e-mail address"),
    (_SOCIAL_SECURITY, "a social security number"),
    (
        re.compile(r"(?<![0-9])(?:[0-9]{1,3}[-._ ])?\(?[0-9]{3}\)?[-._ ]{1,2}[0-9]{3}[-._ ][0-9]{4}(?![0-9])"),
        "a telephone number",
    ),
    (re.compile(r"(?i)\b(?:mrn|ssn|dob)\b\W{0,3}[0-9]"), "the number of a chart or a date of birth"),
)
_ADVICE: Final = " Send a pseudonym, such as P01, that nobody outside can trace."


def fault_of(patient_id: str) -> InputError | None:
    """Say why an id is no pseudonym; None when it may be one. The message never repeats the id."""
    code = _code(patient_id)
    return None if code is None else InputError(_POINTER, code, _REASONS[code] + _ADVICE)


def trace_of(text: str) -> str | None:
    """Say what in a free text looks like a trace of a person (never a name: words are free); None when nothing does."""
    return next((reason for pattern, reason in _TRACES if pattern.search(text)), None)


def _code(patient_id: str) -> str | None:  # noqa: PLR0911 - one way out for each kind
    if _RUNNING.match(patient_id):
        return None
    if _EMAIL.search(patient_id):
        return "id_email"
    if _UUID.match(patient_id):
        return None
    if _SOCIAL_SECURITY.search(patient_id):
        return "id_social_security"
    if _is_date(patient_id):
        return "id_date"
    if _TELEPHONE.search(patient_id):
        return "id_telephone"
    if not _DIGIT.search(patient_id) or _NAME.match(patient_id):
        return "id_name" if _WORDS.match(patient_id) else "id_alphabet"
    if _LONG_NUMBER.match(patient_id) or _CHART.match(patient_id):
        return "id_chart_number"
    return None if _ALPHABET.match(patient_id) else "id_alphabet"


def _is_date(patient_id: str) -> bool:
    if _WRITTEN_DATE.search(patient_id):
        return True
    found = _COMPACT_DATE.search(patient_id)
    if found and _exists(*map(int, found.groups())):
        return True
    last = _COMPACT_DATE_LAST.match(patient_id)
    if last is None:
        return False
    one, other, year = map(int, last.groups())
    return _exists(year, one, other) or _exists(year, other, one)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
