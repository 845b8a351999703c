"""A secret shows itself to nobody by accident."""

from __future__ import annotations

import json
import pickle
import traceback

import msgspec
import pytest

from xyfleet.worker.secret import MASK, Secret

TEXT = "cookie2=very-secret"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, "%s".__mod__, lambda secret: f"{secret:>3}"])
def test_every_way_of_printing_masks(show: object) -> None:
    """Printing in any way shows the mask."""
    try:
        shown = show(Secret(TEXT))  # type: ignore[operator]
    except TypeError:
        return  # A format that a secret does not know shows nothing either.

    assert shown == MASK


def test_inside_other_values() -> None:
    """Containers that print their content show the mask too."""
    holder = msgspec.defstruct("Holder", [("secret", Secret)])(Secret(TEXT))

    assert TEXT not in f"{[Secret(TEXT)]} { ({'a': Secret(TEXT)}) } {holder}"


def test_tracebacks_mask() -> None:
    """An exception that carries a secret does not print it."""
    try:
        raise ValueError(Secret(TEXT))
    except ValueError as error:
        lines = "".join(traceback.format_exception(error))

    assert TEXT not in lines.replace("TEXT", "")
    assert MASK in lines


def test_encoders_refuse() -> None:
    """Nothing encodes a secret by itself."""
    for encode in (json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            encode(Secret(TEXT))


def test_reveal_equality_and_truth() -> None:
    """The text itself comes from `reveal()` alone; equal texts are equal secrets; an empty one is false."""
    assert Secret(TEXT).reveal() == TEXT
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert len({Secret(TEXT), Secret(TEXT)}) == 1
    assert not Secret("")
    assert Secret(TEXT)


def test_pickling_is_possible_and_masked_when_printed() -> None:
    """A secret may travel inside a process tree; it still masks itself on the other side."""
    again = pickle.loads(pickle.dumps(Secret(TEXT)))

    assert again == Secret(TEXT)
    assert str(again) == MASK
