"""Refusals: never without a reason, and they can be moved below the item of a batch."""

import pytest

from app.clinical.refusal import InputError, RefusedInputError


def test_a_refusal_needs_a_reason():
    with pytest.raises(ValueError, match="at least one reason"):
        RefusedInputError()


def test_a_refusal_moves_below_the_item_of_a_batch():
    error = InputError("/weight_kg", "out_of_range", "From 0.4 to 250.", ("0.4", "250"))
    (moved,) = RefusedInputError(error).under("/items/3").errors
    assert moved == InputError("/items/3/weight_kg", "out_of_range", "From 0.4 to 250.", ("0.4", "250"))


def test_its_text_holds_pointers_and_codes_but_no_message():
    assert str(RefusedInputError(InputError("/a", "b", "the value"), InputError("/c", "d", ""))) == "/a: b; /c: d"
