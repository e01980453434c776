"""Every example of the README prints what the README says it prints, by curl against a live server."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("readme", Path(__file__).with_name("readme.py"))
readme = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(readme)

BLOCKS = readme.blocks(readme.README.read_text())


@pytest.fixture(scope="module")
def port():
    with readme.serving() as port:
        yield port


def test_there_are_examples():
    assert sum(block.count("$ curl") for block in BLOCKS) >= 8


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_prints_what_the_page_says(block, port):
    assert readme.rerun(block, port) == block
