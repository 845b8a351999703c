"""From what a test or a person wants pushed to items and stored messages."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from xyfleet.supervisor.simulator.compose import Composed, PushRequest, Wanted, compose

ME = "2200000000001"


def made(**wanted: Any) -> Composed:
    """Compose one item for the account ME."""
    return compose(Wanted(**wanted), ME, "new.PNM", 1767225600123)


def payload(composed: Composed) -> Any:
    """Return the payload of a MessagePack item."""
    return msgspec.msgpack.decode(base64.b64decode(composed.item["data"]), strict=False)


@pytest.mark.parametrize(
    ("kind", "object_type"),
    [
        ("text", 40000),
        ("image", 40000),
        ("card", 40000),
        ("echo", 40000),
        ("order", 40000),
        ("receipt", 40103),
        ("recall", 40104),
        ("delete", 40101),
        ("typing", 40006),
        ("session", 370000),
    ],
)
def test_every_type_has_its_object_type(kind: str, object_type: int) -> None:
    """Each type can be asked for with nothing but its name."""
    assert made(type=kind).item["objectType"] == object_type


def test_only_chat_is_kept_for_listing() -> None:
    """Messages, cards and echoes are stored; notices are not."""
    kept = {kind for kind in ("text", "image", "card", "echo", "receipt", "typing", "order") if made(type=kind).message}

    assert kept == {"text", "image", "card", "echo"}


def test_text_comes_from_the_peer_and_echo_from_us() -> None:
    """An echo's sender is the account itself."""
    text, echo = made(text="a", peer="33").message, made(type="echo", text="b", peer="33").message

    assert text is not None
    assert echo is not None
    assert (text.sender, text.text) == ("33", "a")
    assert (echo.sender, echo.text) == (ME, "b")


def test_given_id_wins() -> None:
    """A chosen PNM id is used, else the new one."""
    assert made(id="1.PNM").id == "1.PNM"
    assert payload(made(id="1.PNM"))[1][3] == "1.PNM"
    assert made().id == "new.PNM"


def test_card_is_a_system_message() -> None:
    """Kind 1, content type 26."""
    inner = payload(made(type="card"))[1]

    assert inner[7] == 1
    assert inner[6][3][4] == 26


def test_receipt_of_several_names_them_all() -> None:
    """More than one id makes the list form."""
    several = made(type="receipt", ids=["1.PNM", "2.PNM"])

    assert several.item["objectType"] == 40102
    assert payload(several)[1] == ["1.PNM", "2.PNM"]


def test_raw_payloads_pass_as_they_are() -> None:
    """`json`, `msgpack` and `bad` put any payload under any object type."""
    as_json = made(type="json", payload={"a": 1}, object_type=12345).item

    assert as_json["objectType"] == 12345
    assert json.loads(base64.b64decode(as_json["data"])) == {"a": 1}
    assert payload(made(type="msgpack", payload={"a": 1})) == {"a": 1}
    assert base64.b64decode(made(type="bad").item["data"]) == b"\xc1"
    assert base64.b64decode(made(type="bad", payload="AAE=").item["data"]) == b"\x00\x01"


def test_request_joins_items_and_texts() -> None:
    """Texts are short for text items, after the others."""
    request = PushRequest(unb=ME, items=[Wanted(type="card")], texts=["a", "b"])

    assert [(one.type, one.text) for one in request.wanted()] == [("card", ""), ("text", "a"), ("text", "b")]


def test_typing_alone_goes_over_para() -> None:
    """The path follows the items unless it is given."""
    assert PushRequest(unb=ME, items=[Wanted(type="typing")]).path() == "/s/para"
    assert PushRequest(unb=ME, items=[Wanted(type="typing"), Wanted()]).path() == "/s/sync"
    assert PushRequest(unb=ME, texts=["a"], lwp="/s/sync_failover").path() == "/s/sync_failover"
