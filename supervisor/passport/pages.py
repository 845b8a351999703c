"""The login page's own language: what its forms hold, what its answers mean, what it asks to stay logged in. Pure.

Sources, and how sure they are: docs/protocol.md, "The login page". Untested against the live service.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from xyfleet.supervisor.passport.check_pages import LONGEST_CODE
from xyfleet.supervisor.tokens import answer_words

PAGE_QUERY: Final = {
    "lang": "zh_cn",
    "appName": "xianyu",
    "appEntrance": "web",
    "styleType": "vertical",
    "bizParams": "",
    "notLoadSsoView": "false",
    "notKeepLogin": "false",
    "isMobile": "false",
    "qrCodeFirst": "false",
    "stie": "77",
}
"""`stie` is the page's own spelling."""
SITE: Final = {"appName": "xianyu", "fromSite": "77"}
PROOFS: Final = ("unb", "cookie2", "sgcookie", "_m_h5_tk", "_m_h5_tk_enc")
"""The cookies without which a login is not complete."""
_VIEW: Final = re.compile(r"window\.viewData\s*=\s*")
_TOKENS: Final = ("token", "lgToken", "loginToken", "st")
_DIALOG: Final = "/newlogin/"


class Code(msgspec.Struct, frozen=True):
    """A code to be scanned with the phone's app."""

    text: str
    keys: dict[str, str]
    """What a question about it carries: `t` and `ck`, as the answer had them."""


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The owner has scanned and confirmed; what is left to be done."""

    token: str | None = None
    urls: tuple[str, ...] = ()
    dialog: str | None = None
    """Where "keep me logged in" is confirmed."""
    checked: bool = False
    """Whether the owner has passed a check for it, whose pages may follow."""


class PersonCheck(msgspec.Struct, frozen=True):
    """Confirmed, but the owner is to pass a check first."""

    address: str


State = Literal["new", "scanned", "over", "check", "unclear"]
"""Nothing happened yet; scanned, but not confirmed; the code is no good any more; a person must pass a further check;
an answer without a word: ask again."""


def login_form(page: str) -> dict[str, str] | None:
    """Return what the page's form sends along, None for a page that has none."""
    found = _VIEW.search(page)
    if found is None:
        return None
    try:
        view = json.JSONDecoder().raw_decode(page, found.end())[0]
        form = view["loginFormData"]
        return {name: _field(value) for name, value in form.items()} | {"umidTag": "SERVER"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def form_without_page(jar: dict[str, str], web: str) -> dict[str, str]:
    """Return the form of a page that could not be read: two clients do without it."""
    return {
        **SITE,
        "appEntrance": "web",
        "_csrf_token": jar.get("XSRF-TOKEN", ""),
        "umidToken": "",
        "hsiz": jar.get("cookie2", ""),
        "bizParams": f"taobaoBizLoginFrom=web&renderRefer={quote(web + '/', safe='')}",
        "mainPage": "false",
        "isMobile": "false",
        "lang": "zh_CN",
        "returnUrl": "",
        "umidTag": "SERVER",
    }


def code_of(body: bytes) -> Code | None:
    """Return the code that an answer brings, None if it brings none."""
    data = _data(body)
    text, key, stamp = data.get("codeContent"), data.get("ck"), data.get("t")
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_CODE or not isinstance(key, str) or stamp is None:
        return None
    return Code(text, {"t": _field(stamp), "ck": key})


def scan_state(body: bytes) -> State | Confirmed | PersonCheck:
    """Say how far the owner is with a code. A word that is not known is no end: the page asks on, too."""
    if answer_words.check_page(body):
        return "check"
    data = _data(body)
    word = data.get("qrCodeStatus")
    if not isinstance(word, str):
        return "unclear"
    match word.upper():
        case "SCANED" | "SCANNED":
            return "scanned"
        case "EXPIRED" | "CANCELED" | "CANCELLED" | "ERROR":
            return "over"
        case "CONFIRMED":
            return _confirmed(data)
    return "new"


def _confirmed(data: dict[str, Any]) -> Confirmed | PersonCheck:
    landing = _text(data, "iframeRedirectUrl")
    urls = data.get("asyncUrls")
    if landing is not None and answer_words.person_page(landing):
        return PersonCheck(landing)  # a redirect alone is none: plain successes have one, too
    dialog = data.get("feedbackPayload")
    for key in ("dynamicUrl", "dialogConfirmLoginUrl"):
        dialog = dialog.get(key) if isinstance(dialog, dict) else None
    return Confirmed(
        token=next((found for key in _TOKENS if (found := _text(data, key))), None),
        urls=tuple(url for url in urls if isinstance(url, str)) if isinstance(urls, list) else (),
        dialog=dialog if isinstance(dialog, str) and _DIALOG in dialog else None,
    )


def renewal_query(jar: dict[str, str], page: str, now: float) -> dict[str, str] | None:
    """
    Return what the page's silent renewal sends at wall time `now`, None when the page would make no call.

    `havana_lgc_exp`, `cookie3_bak_exp` and `sdkSilent` are milliseconds; one that is no number counts as valid.
    """
    if "sdkSilent" in jar and _ahead(jar["sdkSilent"], now):
        return None
    if "havana_lgc_exp" in jar and _ahead(jar["havana_lgc_exp"], now):
        mode = {"ltl": "true"}
    elif "cookie3_bak_exp" in jar and _ahead(jar["cookie3_bak_exp"], now):
        mode = {"skipSessionFilter": "true", "c2r": "true"}
    else:
        return None
    return {
        "documentReferer": page,
        "appName": "xianyu",
        "appEntrance": "xianyu_sdkSilent",
        "fromSite": "0",
        **mode,
    }


def renewed(body: bytes) -> Literal["yes", "no", "check"]:
    """Say whether a silent renewal's answer is a success, or asks for a check by a person."""
    data = _data(body)
    if isinstance(data.get("data"), dict):
        data = data["data"]
    if answer_words.check_page(body) or data.get("iframeRedirect") is True or data.get("dialogAction"):
        return "check"
    return "yes" if data.get("processFinished") is True or data.get("resultCode") == 100 else "no"


def expiries(jar: dict[str, str]) -> dict[str, float]:
    """Return the wall times at which a cookie's parts say themselves that they end."""
    found = {}
    for name in ("havana_lgc_exp", "cookie3_bak_exp"):
        if jar.get(name, "").isdecimal():
            found[name] = int(jar[name][:16]) / 1000
    stamp = jar.get("_m_h5_tk", "").partition("_")[2]
    if stamp.isdecimal() and len(stamp) == 13:
        found["_m_h5_tk"] = int(stamp) / 1000
    return found


def _ahead(value: str, now: float) -> bool:
    return not value.isdecimal() or int(value[:16]) > now * 1000


def _data(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    for key in ("content", "data"):
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer if isinstance(answer, dict) else {}


def _text(data: dict[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def _field(value: object) -> str:
    """Return a value as a form sends it: a stamp keeps its digits (as a float, `1.7e12`, it is refused)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) else ""
    return "" if value is None else str(value)
