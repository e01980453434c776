"""The short run: some hundred mutations of sound inputs for every target. `make fuzz` runs a million, by coverage."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

EXAMPLES = int(os.environ.get("DEFERVESCE_TEST_EXAMPLES", "150"))
# Building a service takes a fifth of a second.
_SLOW = {"hospital": 12}
_SIGNS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"null",
    b"1e999",
    b"-0",
    b"NaN",
    b"=",
    b"\xed\xa0\x80",
)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Draw a seed with some cuts, repeats and strange signs in it; or bytes of any kind."""
    data = draw(st.sampled_from(seeds) | st.binary(max_size=60))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        piece = draw(st.sampled_from([b"", data[start:end] * 2, *_SIGNS]) | st.binary(max_size=6))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_sound_inputs_pass(name):
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_an_answer_or_a_refusal(name):
    target = TARGETS[name]

    @settings(
        max_examples=_SLOW.get(name, EXAMPLES), derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
    )
    @given(mutated(target.seeds))
    def run(data: bytes) -> None:
        target.run(data)

    run()
