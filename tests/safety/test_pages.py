"""docs/safety is what the data, the rule files and uv.lock say."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli import main
from app.safety.commands import BY_HAND, differing
from app.safety.files import load
from app.safety.pages import pages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "safety"
WRITTEN = pages(ROOT / "uv.lock")


def test_the_pages_are_what_the_command_writes():
    assert differing(WRITTEN, FOLDER) == [], "write them again with `make safety`"


def test_what_people_write_is_there_and_leads_somewhere():
    for name in BY_HAND:
        assert (FOLDER / name).is_file()
    index = WRITTEN["README.md"]
    for name in (*WRITTEN, *BY_HAND):
        assert name == "README.md" or f"({name})" in index


def test_every_hazard_and_requirement_stands_on_its_page():
    data = load()
    assert [h.id for h in data.hazards if f"## {h.id}\n" not in WRITTEN["hazard-log.md"]] == []
    assert [r.id for r in data.requirements if f"**{r.id}**" not in WRITTEN["trace.md"]] == []
    assert all(h.id in WRITTEN["README.md"] for h in data.hazards if h.status in {"open", "tolerated", "planned"})


@pytest.fixture
def folder(tmp_path):
    assert main(["safety", "write", "--folder", str(tmp_path / "s"), "--lock", str(ROOT / "uv.lock")]) == 0
    return tmp_path / "s"


def check(folder):
    return main(["safety", "check", "--folder", str(folder), "--lock", str(ROOT / "uv.lock")])


def test_the_check_finds_a_changed_a_missing_and_a_strange_page(folder, capsys):
    assert check(folder) == 0
    page = folder / "cards" / "vis-2010.md"
    page.write_text(page.read_text(encoding="utf-8") + "more", encoding="utf-8")
    assert check(folder) == 1
    assert "cards/vis-2010.md" in capsys.readouterr().err
    page.unlink()
    assert check(folder) == 1
    assert main(["safety", "write", "--folder", str(folder), "--lock", str(ROOT / "uv.lock")]) == 0
    (folder / "cards" / "old-rule-set.md").write_text("left over", encoding="utf-8")
    assert check(folder) == 1
    assert main(["safety", "write", "--folder", str(folder), "--lock", str(ROOT / "uv.lock")]) == 0
    assert check(folder) == 0


def test_what_people_write_is_left_alone(folder):
    (folder / "risk-management.md").write_text("by hand", encoding="utf-8")
    assert check(folder) == 0
