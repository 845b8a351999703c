"""Tests of `xyfleet.supervisor.tokens.mtop`."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.places import VECTORS_FILE
from xyfleet.supervisor.credentials import cookies, record
from xyfleet.supervisor.tokens import mtop
from xyfleet.worker.reasons import Reason
from xyfleet.worker.secret import Secret

VECTORS: dict[str, Any] = json.loads(VECTORS_FILE.read_text())
RESPONSES: dict[str, dict[str, Any]] = {each["name"]: each for each in VECTORS["token_api"]["responses"]}
NOW = 1_767_225_600.0
DAY = 86_400.0
MEANINGS: dict[str, mtop.Answer] = {
    "ok": mtop.Ok(Secret("tok+abc"), NOW + DAY),
    "ok_without_token": mtop.Unknown(Reason("no_token")),
    "sign_token_expired": mtop.SignExpired(),
    "sign_token_empty": mtop.SignExpired(),
    "session_expired": mtop.SessionExpired(),
    "risk_control": mtop.Risk(),
    "not_json": mtop.Transient(Reason("no_json")),
}


def body_of(response: dict[str, Any]) -> bytes:
    """Return a vector's answer as bytes."""
    return json.dumps(response["http"]).encode() if "http" in response else response["body"].encode()


@pytest.mark.parametrize("name", MEANINGS)
def test_keys_of_the_vectors_are_known(name: str) -> None:
    """None of them is drift; a key that is new, in the answer or its data, is."""
    response = RESPONSES[name]
    assert mtop.odd_keys(body_of(response)) == []
    if "http" in response:
        newer = {**response["http"], "brand": 1, "data": {**response["http"]["data"], "new": {"accessToken": 1}}}
        assert mtop.odd_keys(json.dumps(newer).encode()) == ["brand", "data.new"]


@pytest.mark.parametrize("vector", VECTORS["sign"], ids=lambda vector: vector["md5"][:8])
def test_signatures_of_the_vectors(vector: dict[str, Any]) -> None:
    """Every signature of the vectors comes out equal, from the cookie too."""
    assert vector["md5"] == mtop.sign(vector["token"], vector["t"], vector["data"])
    if "cookie" in vector:
        assert vector["token"] == cookies.sign_token(Secret(vector["cookie"]))


def test_every_answer_of_the_vectors_has_a_meaning_here() -> None:
    """The table above knows every answer of the vectors."""
    assert MEANINGS.keys() == RESPONSES.keys()


@pytest.mark.parametrize("name", MEANINGS)
def test_answers_of_the_vectors(name: str) -> None:
    """Every answer of the vectors is understood as they say."""
    assert MEANINGS[name] == mtop.classify(200, body_of(RESPONSES[name]), NOW)


def test_the_form_data_of_the_vectors() -> None:
    """The signed form field comes out equal byte for byte."""
    device = json.loads(VECTORS["token_api"]["form_data"])["deviceId"]

    assert VECTORS["token_api"]["form_data"] == mtop.form_data(device)


def test_the_query_is_the_web_client_s() -> None:
    """All parameters of the protocol are there, and the signature fits."""
    query = mtop.query("abc_token", "1700000000000", '{"appKey":"x"}', "1a2b3c4dAbC9Zk")

    assert query.pop("sign") == "497ff18ef9c6d4792ba5aeef0e99929a"
    assert query == {
        "jsv": "2.7.2",
        "appKey": "34839810",
        "t": "1700000000000",
        "v": "1.0",
        "type": "originaljson",
        "accountSite": "xianyu",
        "dataType": "json",
        "timeout": "20000",
        "api": "mtop.taobao.idlemessage.pc.login.token",
        "sessionOption": "AutoLoginOnly",
        "spm_cnt": "a21ybx.im.0.0",
        "spm_pre": "a21ybx.home.sidebar.1.1a2b3c4dAbC9Zk",
        "log_id": "1a2b3c4dAbC9Zk",
    }


def test_a_page_view_has_an_id_of_its_own() -> None:
    """F4: 8 hex digits, then 6 letters or digits; two views differ."""
    first, second = mtop.page_id(Random(1)), mtop.page_id(Random(2))

    assert re.fullmatch(r"[0-9a-f]{8}[0-9A-Za-z]{6}", first)
    assert first != second


def test_a_device_id_has_its_shape() -> None:
    """36 characters of an upper-case UUID, a dash, the user."""
    made = record.device_id("2200000000001", UUID("673b2986-e590-421a-a8f9-28202ba25823"))

    assert made == "673B2986-E590-421A-A8F9-28202BA25823-2200000000001"
    assert re.fullmatch(VECTORS["id_formats"]["device_id_regex"].replace("<unb>", r"\d+"), made)


@pytest.mark.parametrize(
    ("value", "life"),
    [
        ("86400000", DAY),
        (86400000, DAY),
        (7200000.0, 7200),
        ("7200000", 7200),
        (str(int((NOW + 3600) * 1000)), 3600),
        (int((NOW + 3600) * 1000), 3600),
        (None, DAY),
        ("", DAY),
        ("soon", DAY),
        ("nan", DAY),
        ("inf", DAY),
        (float("1e308"), 30 * DAY),
        (True, DAY),
        (0, DAY),
        (-5, DAY),
        (int((NOW - 3600) * 1000), DAY),
        (10**400, DAY),
        ([], DAY),
    ],
)
def test_expiry_is_a_duration_or_a_date(value: object, life: float) -> None:
    """Milliseconds as text or number, a duration or a date; what makes no sense counts as a day."""
    assert NOW + life == pytest.approx(mtop.expiry(value, NOW))


@pytest.mark.parametrize(
    ("status", "ret", "meaning"),
    [
        (200, ["RGV587_ERROR::SM::x"], mtop.Risk()),
        (200, ["SUCCESS::ok", "RGV587_ERROR::SM::x"], mtop.Risk()),
        (200, "FAIL_SYS_SESSION_EXPIRED::x", mtop.SessionExpired()),
        (200, ["FAIL_SYS_TOKEN_EXOIRED::x", "FAIL_SYS_SESSION_EXPIRED::x"], mtop.SessionExpired()),
        (403, ["FAIL_SYS_USER_VALIDATE"], mtop.Risk()),
        (502, ["SUCCESS::ok"], mtop.Transient(Reason("http_status", {"status": 502}))),
        (
            200,
            ["FAIL_SYS_TRAFFIC_LIMIT::哎哟喂"],
            mtop.Unknown(
                Reason("fewer_calls", {"of": Reason("unknown_answer", {"words": "FAIL_SYS_TRAFFIC_LIMIT"})}), 300.0
            ),
        ),
        (200, ["哎哟喂"], mtop.Unknown(Reason("codeless_answer"))),
        (200, [], mtop.Unknown(Reason("codeless_answer"))),
        (200, [1, None], mtop.Unknown(Reason("codeless_answer"))),
    ],
)
def test_the_gravest_code_counts(status: int, ret: object, meaning: mtop.Answer) -> None:
    """Risk before a dead login before the signing cookie before success; anything else is for later."""
    assert meaning == mtop.classify(status, json.dumps({"ret": ret, "data": {"accessToken": "t"}}).encode(), NOW)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'{"ret":{}}', b"{}"])
def test_json_of_another_shape_is_for_later(body: bytes) -> None:
    """JSON that is no answer of the service is a transient error."""
    assert mtop.Unknown(Reason("codeless_answer")) == mtop.classify(200, body, NOW)


@pytest.mark.parametrize("data", [None, [], "x", {"accessToken": 5}, {"accessToken": ""}])
def test_success_without_a_token_is_for_later(data: object) -> None:
    """SUCCESS alone is no token."""
    body = json.dumps({"ret": ["SUCCESS::ok"], "data": data}).encode()

    assert mtop.Unknown(Reason("no_token")) == mtop.classify(200, body, NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ret", "data", "accessToken"]), inner),
    max_leaves=8,
)


@given(st.integers(100, 599), st.binary() | json_values.map(lambda value: msgspec.json.encode(value)))
def test_no_answer_makes_it_raise(status: int, body: bytes) -> None:
    """Whatever comes back is understood as something, and the reason shows at most 60 characters of it."""
    answer = mtop.classify(status, body, NOW)

    assert isinstance(answer, mtop.Answer)
    assert not isinstance(answer, mtop.Transient | mtop.Unknown) or len(str(answer.reason)) < 80
