"""No clinical number stands in code: every one is in a rule file, with unit, bound, source and date.

In `app/clinical` a numeric literal may be -1, 0, 1 or 2 (structure: the first, the next, one of two), or stand in
`arithmetic.py` (hours of a day). Every other number needs a line in ALLOWED, with the reason why it is no medicine.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLINICAL = ROOT / "app" / "clinical"
FILES = sorted(p.relative_to(ROOT).as_posix() for p in CLINICAL.rglob("*.py"))
STRUCTURAL = {-1, 0, 1, 2}
ARITHMETIC = "app/clinical/arithmetic.py"
# (file, number as it stands in the code): why it is no clinical number.
ALLOWED = {
    ("app/clinical/quantities.py", "-2"): "the last but one of a list",
}
# Keywords that bound a text or a list, not a measurement; and what only shows a request.
SHAPES = {"max_length", "min_length", "maxsize"}
EXAMPLES = {"examples", "example", "json_schema_extra"}
# `strict({...})` gives a request model its example.
EXAMPLE_GIVERS = {"strict"}
# How many patterns a cache keeps.
CACHE_SIZE = re.compile(r"_?KEPT(_[A-Z]+)?")


def apart(node):
    """Return the parts of a node that hold no rule: shapes, examples, sizes of caches."""
    if isinstance(node, ast.Call):
        named = [k.value for k in node.keywords if k.arg in SHAPES | EXAMPLES]
        return named + (node.args if getattr(node.func, "id", "") in EXAMPLE_GIVERS else [])
    target = node.target if isinstance(node, ast.AnnAssign) else None
    return [node.value] if isinstance(target, ast.Name) and CACHE_SIZE.fullmatch(target.id) else []


def walk(node):
    """Walk through everything that could hold a rule."""
    yield node
    skipped = set(map(id, apart(node)))
    for child in ast.iter_child_nodes(node):
        if id(child) not in skipped and not (isinstance(child, ast.keyword) and id(child.value) in skipped):
            yield from walk(child)


def numbers(tree):
    """Yield every numeric literal, and every number written as text for Decimal, with its line."""
    negated = {id(n.operand) for n in ast.walk(tree) if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub)}
    for node in walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) in {int, float, complex}:
            yield node.lineno, f"{'-' if id(node) in negated else ''}{node.value}"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Decimal":
            words = [a for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            yield from ((word.lineno, word.value) for word in words)


def clinical(source):
    return [(line, number) for line, number in numbers(ast.parse(source)) if float(number) not in STRUCTURAL]


@pytest.mark.parametrize("file", [f for f in FILES if f != ARITHMETIC])
def test_no_number_stands_in_code(file):
    found = clinical((ROOT / file).read_text(encoding="utf-8"))
    strays = [f"{file}:{line}: {number}" for line, number in found if (file, number) not in ALLOWED]
    assert strays == [], (
        "a clinical number belongs into app/clinical/rulebook/*.toml, a count of hours into arithmetic.py"
    )


def test_what_is_allowed_is_still_there():
    there = {(f, n) for f in FILES if f != ARITHMETIC for _, n in clinical((ROOT / f).read_text(encoding="utf-8"))}
    assert set(ALLOWED) - there == set()


@pytest.mark.parametrize(
    "source",
    [
        "limit = 38.0",
        "x = -21.4",
        "if days > 28: ...",
        'd = Decimal("0.0067")',
        "Field(ge=3)",
        "range(5)",
        "x = 1e3",
        "x = 0x10",
        "LIMIT: Final = 4096",
        "relaxed({'age': 8})",
        "f(examples=[3], limit=3)",
    ],
)
def test_a_number_would_be_found(source):
    assert clinical(source)


@pytest.mark.parametrize(
    "source",
    [
        "x[-1]",
        "x[0]",
        "a / 2",
        "Field(max_length=100)",
        "lru_cache(maxsize=4096)",
        "x = True",
        '"38.0"',
        "Field(examples=[154])",
        "strict({'age_years': 8.0})",
        "_KEPT_PATTERNS: Final = 4096",
    ],
)
def test_structure_is_no_number(source):
    assert not clinical(source)
