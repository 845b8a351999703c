"""Tests of `xyfleet.supervisor.passport.pages`: the captured answers, and the others that clients tell of."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xyfleet.supervisor.passport import pages
from xyfleet.supervisor.passport.sites import REAL, sites_of

PAGE = """<html><script>window.viewData = {"loginFormData":{"appName":"xianyu","appEntrance":"web","_csrf_token":"c1",
"umidToken":"u1","hsiz":"h1","bizParams":"","mainPage":false,"isMobile":false,"lang":"zh_CN","returnUrl":"",
"fromSite":"77"},"more":{"x":"};"}};</script><script src="//g.example/AWSC/nocaptcha.js"></script></html>"""
CODE = (
    '{"content":{"data":{"t":1767225600000,"ck":"ck1","codeContent":"https://passport.goofish.com/qrcodeCheck.htm?'
    'lgToken=l1&_from=havana","resultCode":100,"processFinished":true},"status":0,"success":true},"hasError":false}'
)
CHECK = "https://passport.goofish.com/iv/mini/x.htm"
ELSEWHERE = pages.PersonCheck("https://x/normal_validate.htm")
NOW = 1_767_225_600.0


def answer(**data: object) -> bytes:
    """Return an answer with these data."""
    return json.dumps({"content": {"data": data, "status": 0, "success": True}, "hasError": False}).encode()


def test_the_form_of_the_page() -> None:
    """The captured form is sent back as it is, false as a word."""
    form = pages.login_form(PAGE)

    assert form is not None
    assert (form["_csrf_token"], form["umidToken"], form["hsiz"], form["fromSite"]) == ("c1", "u1", "h1", "77")
    assert form["mainPage"] == "false"
    assert form["umidTag"] == "SERVER"


@pytest.mark.parametrize("page", ["", "<html></html>", "window.viewData = {", "window.viewData = []", PAGE[:200]])
def test_a_page_without_a_form(page: str) -> None:
    """A page that is none has no form; cookies of the page stand in for it."""
    assert pages.login_form(page) is None
    form = pages.form_without_page({"XSRF-TOKEN": "x", "cookie2": "c"}, "https://www.goofish.com")
    assert (form["_csrf_token"], form["hsiz"], form["fromSite"]) == ("x", "c", "77")


@pytest.mark.parametrize(
    ("stamp", "sent"),
    [("1767225600000", "1767225600000"), ('"1767225600000"', "1767225600000"), ("1.7672256e12", "1767225600000")],
)
def test_a_code_and_what_is_asked_about_it(stamp: str, sent: str) -> None:
    """The code is drawn unchanged; its stamp goes back in the same digits, number or text."""
    code = pages.code_of(CODE.replace("1767225600000", stamp, 1).encode())

    assert code is not None
    assert code.text == "https://passport.goofish.com/qrcodeCheck.htm?lgToken=l1&_from=havana"
    assert code.keys == {"t": sent, "ck": "ck1"}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"content":null}', answer(ck="x"), answer(t=1, ck=2, codeContent="x")]
)
def test_an_answer_without_a_code(body: bytes) -> None:
    """What is no code is none."""
    assert pages.code_of(body) is None


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (answer(qrCodeStatus="NEW", resultCode=100), "new"),
        (answer(qrCodeStatus="BRAND_NEW_WORD"), "new"),
        (answer(qrCodeStatus="SCANED"), "scanned"),
        (answer(qrCodeStatus="SCANNED"), "scanned"),
        (answer(qrCodeStatus="EXPIRED"), "over"),
        (answer(qrCodeStatus="CANCELED"), "over"),
        (answer(qrCodeStatus="ERROR"), "over"),
        (b'{"hasError":true}', "unclear"),
        (b"<html>", "unclear"),
        (answer(qrCodeStatus="CONFIRMED", iframeRedirectUrl=CHECK), pages.PersonCheck(CHECK)),
        (answer(qrCodeStatus="CONFIRMED", iframeRedirectUrl="https://x/normal_validate.htm"), ELSEWHERE),
        (answer(qrCodeStatus="CONFIRMED", iframeRedirectUrl="https://x/_____tmd_____/punish"), "check"),
        (b'{"rgv587_flag":"sm","url":"https://x/_____tmd_____/punish?x5secdata=1"}', "check"),
    ],
)
def test_how_far_the_owner_is(body: bytes, state: object) -> None:
    """Known words in each spelling; unknown ones go on; a landing page that checks a person is a check."""
    assert pages.scan_state(body) == state


def test_a_confirmation_of_the_capture() -> None:
    """A redirect alone is no check: the capture of a plain success has one."""
    found = pages.scan_state(
        answer(
            qrCodeStatus="CONFIRMED",
            resultCode=100,
            processFinished=True,
            asyncUrls=["https://x.example/add?a=1"],
            iframeRedirect=True,
            iframeRedirectUrl="https://i.taobao.com/my_taobao.htm?nekot=x",
        )
    )

    assert found == pages.Confirmed(urls=("https://x.example/add?a=1",))


def test_a_confirmation_with_token_and_dialog() -> None:
    """A token is redeemed, a box that keeps the login is answered, if it leads to the login page's own folder."""
    payload = {"dynamicUrl": {"dialogConfirmLoginUrl": "https://passport.goofish.com/newlogin/keep.do?x=1"}}
    found = pages.scan_state(answer(qrCodeStatus="CONFIRMED", lgToken="k", feedbackPayload=payload))

    assert isinstance(found, pages.Confirmed)
    assert (found.token, found.dialog) == ("k", "https://passport.goofish.com/newlogin/keep.do?x=1")


@pytest.mark.parametrize(
    ("jar", "mode"),
    [
        ({}, None),
        ({"havana_lgc_exp": "1767225600001"}, "ltl"),
        ({"havana_lgc_exp": "1767225599999"}, None),
        ({"havana_lgc_exp": "soon"}, "ltl"),
        ({"cookie3_bak_exp": "1767225600001"}, "c2r"),
        ({"havana_lgc_exp": "1", "cookie3_bak_exp": "1767225600001"}, "c2r"),
        ({"havana_lgc_exp": "1767225600001", "sdkSilent": "1767225600001"}, None),
        ({"havana_lgc_exp": "1767225600001", "sdkSilent": "1767225599999"}, "ltl"),
    ],
)
def test_when_the_page_renews(jar: dict[str, str], mode: str | None) -> None:
    """By its cookies: the long login, else the other one, else not at all; and not while it was told to be silent."""
    query = pages.renewal_query(jar, "https://www.goofish.com/im", NOW)

    assert (query is None) == (mode is None)
    assert query is None or mode in query


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (answer(processFinished=True, resultCode=100), "yes"),
        (answer(data={"processFinished": True}), "yes"),
        (answer(resultCode=0), "no"),
        (b"", "no"),
        (answer(iframeRedirect=True), "check"),
        (answer(dialogAction="keepLoginConfirm"), "check"),
        (b"<html>punish</html>", "check"),
    ],
)
def test_what_a_renewal_s_answer_means(body: bytes, meaning: str) -> None:
    """Success at either depth; a redirect or a box is a check."""
    assert pages.renewed(body) == meaning


def test_what_cookies_say_of_their_end() -> None:
    """Only those that carry a time themselves."""
    jar = {"havana_lgc_exp": "1769817600000", "_m_h5_tk": "0123456789abcdef0123456789abcdef_1767232800000", "t": "1"}

    assert pages.expiries(jar) == {"havana_lgc_exp": 1_769_817_600.0, "_m_h5_tk": 1_767_232_800.0}


@given(st.binary(max_size=200), st.text(max_size=200))
def test_nothing_makes_it_raise(body: bytes, page: str) -> None:
    """Whatever the page says is read without a fault."""
    pages.code_of(body)
    pages.scan_state(body)
    pages.renewed(body)
    pages.login_form("window.viewData =" + page)
    pages.expiries({"havana_lgc_exp": page, "_m_h5_tk": page})


def test_the_sites_of_a_service() -> None:
    """The real ones belong to the real token call; a simulator has all at one place. Cookies go to no other."""
    here = sites_of("http://127.0.0.1:7/h5/mtop.taobao.idlemessage.pc.login.token/1.0/")

    assert sites_of("https://h5api.m.goofish.com/h5/mtop.taobao.idlemessage.pc.login.token/1.0/") == REAL
    assert here.passport == here.web == here.h5 == "http://127.0.0.1:7"
    assert here.ours("http://127.0.0.1:7/im")
    assert not here.ours("http://127.0.0.1:8/im")
    assert REAL.ours("https://passport.goofish.com/x")
    assert not any(
        map(REAL.ours, ("http://www.goofish.com/", "https://goofish.com.evil.example/", "https://xgoofish.com/"))
    )
