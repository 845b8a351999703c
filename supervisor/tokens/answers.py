"""What the answer to a token call means for its account: a token, a dead login, a risk, a pause. Shell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.record import Credentials, Verdict, alive_as
from xyfleet.supervisor.credentials.store import Key, Store
from xyfleet.supervisor.tokens import mtop
from xyfleet.supervisor.tokens.call import RawAnswer
from xyfleet.supervisor.tokens.pacing import TokenSchedule
from xyfleet.supervisor.tokens.token_values import Token, TokenRefused
from xyfleet.worker.causes import Cause
from xyfleet.worker.reasons import Reason, words
from xyfleet.worker.secret import Secret

EXPIRY_MARGIN: Final = 60.0
"""Seconds before its expiry (but at most a tenth of its life) a token is not handed out any more: a dial takes time."""
_VERDICTS: Final = {Cause.AUTH: Reason("session_expired"), Cause.RISK: Reason("risk")}
_log: Final = logging.getLogger("xyfleet.tokens")


class TokenAnswers:
    """Takes answers over into what is kept of the accounts, and their failures into the schedule."""

    def __init__(self, store: Store, turns: TokenSchedule, wall: Callable[[], float]) -> None:
        self._store = store
        self._turns = turns
        self._wall = wall
        self.strange: Callable[[str, str, str, bytes], None] = lambda *_answer: None
        """Called with account, place (`ret`, `answer`), word or key, and body of an answer that is not known."""
        self._unsure: dict[Key, int] = {}
        """Whose last answer may mean a bad signature or a dead login, and of which login it spoke."""

    def settle(self, name: str, key: Key, asked: Credentials, raw: RawAnswer) -> Token | None:
        """
        Take over what an answer brings to a call that was made with the credentials `asked`.

        Returns:
            The token, or None when another call is wanted.

        Raises:
            TokenRefused: There is none to be had.
        """
        held = self._store.at(key)
        if held.login != asked.login:
            return None  # A new login came meanwhile; this answer speaks of the old one.
        assert asked.cookie is not None
        held = held.but(cookie=cookies.merge(held.cookie or asked.cookie, raw.set_cookie, self._wall()))
        self._store.put(key, held)
        meaning = mtop.classify(raw.status, raw.body, self._wall(), raw.location)
        for odd in mtop.odd_keys(raw.body):
            self.strange(name, "answer", odd, raw.body)
        said_before = self._unsure.pop(key, None) == held.login
        match meaning:
            case mtop.Ok(token, expires):
                return self._issued(name, key, held, token, expires)
            case mtop.SignExpired():
                if held.cookie is not None and cookies.sign_token(held.cookie) == cookies.sign_token(asked.cookie):
                    raise self.failed(name, Reason("signing_not_renewed"))
                return None
            case mtop.SessionExpired():
                raise self._judge(name, key, held, Cause.AUTH)
            case mtop.Risk():
                raise self._judge(name, key, held, Cause.RISK)
            case mtop.Unsure():
                if said_before:
                    raise self._judge(name, key, held, Cause.AUTH)
                self._unsure[key] = held.login
                return None
            case mtop.Unknown(reason, wait):
                self.strange(name, "ret", mtop.words(raw.body), raw.body)
                raise self.failed(name, reason, cause=Cause.PLATFORM, wait=wait)
            case mtop.Transient(reason):
                raise self.failed(name, reason, cause=Cause.PLATFORM)

    def _issued(self, name: str, key: Key, held: Credentials, token: Secret, expires: float) -> Token:
        life = expires - self._wall()
        held = held.but(token=token, expires=expires - min(EXPIRY_MARGIN, life / 10), serial=held.serial + 1)
        held = held.but(alive=alive_as(held.alive, "ok", self._wall()))
        self._store.put(key, held)
        self._turns.hurry(name)
        _log.info("new token account=%s serial=%d", name, held.serial)
        return Token(serial=held.serial, text=token, expires=held.expires, fresh=True)

    def _judge(self, name: str, key: Key, held: Credentials, cause: Cause) -> TokenRefused:
        reason = _VERDICTS[cause]
        verdict = Verdict(cause=cause, reason=str(reason), at=self._wall())
        self._store.put(key, held.but(verdict=verdict, token=None))
        self._turns.hurry(name)
        _log.error("no more token calls account=%s cause=%s reason=%s", name, cause.value, reason)
        return TokenRefused(cause, reason)

    def failed(
        self, name: str, reason: Reason, *, reached: bool = True, cause: Cause = Cause.NETWORK, wait: float = 0.0
    ) -> TokenRefused:
        """Note that a call failed; return what to raise."""
        failures = self._turns.failed(name, reached=reached, least=wait)
        _log.warning("token call failed account=%s failures=%d reason=%s", name, failures, reason)
        return TokenRefused(cause, Reason("token_call", {"of": reason}))


def check(held: Credentials) -> None:
    """Raise `TokenRefused` when a call is pointless."""
    if held.verdict is not None:
        raise TokenRefused(held.verdict.cause, _VERDICTS.get(held.verdict.cause) or words(held.verdict.reason))
    if held.cookie is None:
        raise TokenRefused(Cause.AUTH, Reason("no_cookie"))
