"""The words by which the platform says that a person must pass a check, or that a login is dead. Pure.

Sources, and how sure they are: docs/protocol.md, "Token". Case does not matter: some clients met other spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_CHECK: Final = ("FAIL_SYS_USER_VALIDATE", "RGV587", "RRXVV_ERROR", "ASSIST_FLAG")
"""In an entry of `ret`; `RGV587_ERROR` has a number at times."""
_DEAD: Final = ("SESSION_EXPIRED", "SESSION_ERROR", "SID_INVALID", "AUTH_REJECT", "NEED_LOGIN")
_SIGN: Final = (
    "FAIL_SYS_TOKEN_EMPTY",
    "FAIL_SYS_TOKEN_EXOIRED",
    "FAIL_SYS_TOKEN_EXPIRED",
    "FAIL_SYS_TOKEN_ILLEGAL",
)
"""`EXOIRED` is the service's own spelling."""
_UNSURE: Final = ("FAIL_SYS_ILLEGAL_ACCESS",)
"""A dead login to some clients, a bad signature to others."""
_SLOWER: Final = ("FLOWLIMIT", "TRAFFIC_LIMIT")
_DECLINED: Final = re.compile(r"FAIL_BIZ_(?!.*(SYSTEM|TIMEOUT|BUSY|RETRY))", re.IGNORECASE)
"""The business side has looked at the call and says no. Its own failures, and other words, leave open what it did."""
_CHECK_PAGE: Final = re.compile(rb"punish|x5sec|captcha|_____tmd_____|rgv587", re.IGNORECASE)
"""In a page, an address or a key, wherever it stands (`nocaptcha` and `rgv587_flag` too)."""
_PERSON_PAGE: Final = re.compile(r"/iv/|identity_verify|normal_validate|mini_login_check|photoverify", re.IGNORECASE)
"""In the address to which a login is sent on: a check by face, SMS or a second device."""


def check_wanted(codes: Iterable[str]) -> bool:
    """Say whether these entries of `ret` ask for a check by a person."""
    return _any(_CHECK, codes)


def login_dead(codes: Iterable[str]) -> bool:
    """Say whether they say that the login is over."""
    return _any(_DEAD, codes)


def sign_old(codes: Iterable[str]) -> bool:
    """Say whether they refuse the signing cookie only."""
    return _any(_SIGN, codes)


def unsure(codes: Iterable[str]) -> bool:
    """Say whether they may mean a bad signature or a dead login."""
    return _any(_UNSURE, codes)


def slower(codes: Iterable[str]) -> bool:
    """Say whether they ask to be asked less often. Their text may be that of a check: the code counts."""
    return _any(_SLOWER, codes)


def declined(codes: Iterable[str]) -> bool:
    """Say whether they say for certain that what was asked for was not done."""
    return any(_DECLINED.match(code.partition("::")[0]) for code in codes)


def check_page(text: bytes) -> bool:
    """Say whether a body or an address is, or leads to, a check by a person."""
    return _CHECK_PAGE.search(text) is not None


def slider_page(address: str) -> bool:
    """Say whether an address is a slider or a captcha."""
    return check_page(address.encode())


def person_page(address: str) -> bool:
    """Say whether an address that a login leads on to is a check by a person; by itself a redirect is none."""
    return _PERSON_PAGE.search(address) is not None or slider_page(address)


def _any(words: tuple[str, ...], codes: Iterable[str]) -> bool:
    return any(word in code.upper() for code in codes for word in words)
