"""What a wire report shows of a payload: its form, and nothing of anybody."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xyfleet.worker.protocol.shape import LONGEST, name_of, shape, shape_of_bytes

SECRET = "13812345678"


def shown(value: Any) -> Any:
    """Return a shape as a value."""
    return json.loads(shape(value))


def test_forms_stay_and_values_go() -> None:
    """Keys, lists, short numbers and JSON in texts are seen; texts, ids, urls, long numbers are only measured."""
    assert shown(
        {
            "1": {"2": "51000000001@goofish", "3": "3900000000001.PNM", "7": 2, "5": 1767225600123},
            "words": "你好",
            "flag": "true",
            "extJson": '{"updateKey":"a:b","n":[1,2,3,4]}',
            "url": "fleamarket://x?itemId=900000000001",
            "squadId_2200000000001": None,
            "一个键": 1.5,
        }
    ) == {
        "1": {"2": "<id 19@goofish>", "3": "<id 17.PNM>", "7": 2, "5": "<number 13>"},
        "words": "<text 2>",
        "flag": "true",
        "extJson": {"<json>": {"updateKey": "<text 3>", "n": [1, 2, 3, "<more>"]}},
        "url": "<url 34>",
        "squadId_<n>": None,
        "<key>": "<number>",
    }


@given(
    st.recursive(
        st.just(SECRET) | st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.just(SECRET) | st.just(f"k{SECRET}") | st.text(), inner),
        max_leaves=300,
    )
)
def test_no_value_comes_through(value: object) -> None:
    """Whatever it is nested in; and a shape is never long."""
    text = shape({"a": value, "b": json.dumps(value)})

    assert SECRET not in text
    assert len(text) <= LONGEST


def test_names_hold_no_ids_or_texts() -> None:
    """Of an lwp or a code only what looks like one is shown."""
    assert name_of("/s/new/path") == "/s/new/path"
    assert name_of(40999) == "40999"
    assert name_of("/s/2200000000001") == "/s/<n>"
    assert name_of("您好") == "<text>"
    assert shape_of_bytes(b"<html>") == '"<no JSON 6>"'
