"""Why something is as it is: a code with fields, whose sentence is made where it is shown. Pure.

`str()` gives the raw English words, for logs and for programs that read them. What a person sees, in his language, is
made of the same code by `xyfleet.supervisor.presentation.reason_text`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

TEXTS: Final[dict[str, str]] = {
    # Foreign words, which are nobody's to translate.
    "words": "%(words)s",
    # The dial and the connection.
    "closed": "closed with %(status)d",
    "closed_saying": "closed with %(status)d %(words)s",
    "we_closed": "we closed with %(status)d",
    "we_closed_saying": "we closed with %(status)d %(words)s",
    "not_registered": "not registered any more: 401 to a call",
    "renewing": "%(of)s; waiting for a new token",
    "renewing_waits": "%(of)s; waiting for a new token: %(why)s",
    "unstored": "%(of)s; meanwhile %(words)s",
    "broken_off": "no close frame: %(words)s",
    "broken_off_silently": "no close frame: the connection broke off",
    "proxy_status": "proxy refused: HTTP %(status)d",
    "proxy_invalid": "proxy address is not valid",
    "proxy_failed": "proxy failed: %(words)s",
    "closed_in_handshake": "closed during the handshake",
    "no_websocket": "not a websocket: %(words)s",
    "endpoint_invalid": "endpoint is not a valid address",
    "handshake_refused": "handshake refused: HTTP %(status)d",
    "too_many_connections": "too many connections: HTTP %(status)d",
    "handshake_failed": "handshake failed: HTTP %(status)d",
    "not_open": "not open within %(seconds)g s",
    "dns": "dns: %(words)s",
    "dns_name_invalid": "dns: not a valid host name",
    "tls_untrusted": "tls: certificate not trusted: %(words)s",
    "tls": "tls: %(words)s",
    "via_proxy": "via proxy: %(of)s",
    "not_sent": "a frame was not sent within %(seconds)g s",
    "beats_not_sent": "heartbeats not sent: %(count)d in a row",
    "beats_unanswered": "no answer to a heartbeat for %(seconds)g s",
    "reg_unanswered": "no answer to /reg within %(seconds)g s",
    "reg_refused": "/reg refused: %(words)s",
    "unreadable": "unreadable frames: %(count)d in a row",
    "kicked_out": "kicked out: the account registered elsewhere",
    "kicked_out_often": "kicked out %(count)d times within %(seconds)g s",
    "session_removed": "session removed by the server",
    "program_error": "program error: %(words)s",
    "slept": "the machine slept for %(seconds).0f s",
    "zombie": "messages were listed but not pushed: %(count)d, the oldest from %(seconds)d s ago",
    "stopped_by_supervisor": "stopped by the supervisor",
    "stopped": "stopped",
    "stopped_by_signal": "stopped by a signal",
    "handler_stuck": "the handler blocks: %(words)s",
    # Asked to dial anew.
    "operator": "operator",
    "probe": "probe",
    "outage_over": "outage over",
    "new_cookie": "new cookie",
    "new_credentials": "new credentials",
    "login": "login",
    "file_cookie": "cookie of the file",
    "cookie_file": "new cookie in cookie_file",
    # What somebody waits for.
    "wait_start": "waits for turn %(turn)d to start",
    "wait_dial": "waits for turn %(turn)d to dial, about %(seconds).0f s",
    "wait_token": "waits for turn %(turn)d to call for a token, about %(seconds).0f s",
    "wait_token_pause": "last token call failed; next one in %(seconds).0f s",
    "wait_token_budget": "token calls of this day are used up; next one in %(seconds).0f s",
    "wait_hook": "waits for turn %(turn)d of the login hook",
    "wait_hook_about": "waits for turn %(turn)d of the login hook, about %(seconds).0f s",
    "wait_hook_cooldown": "the login hook may run again in %(seconds).0f s",
    "wait_hook_proxy": "waits until its proxy works, to log in",
    "wait_doubt": "waits to hear whether others' logins are dead too",
    "wait_user": "waits for its user: %(name)s still has it",
    "wait_other_fleet": "another fleet of this machine holds this user",
    "wait_outage": "waits for the end of the outage",
    # The worker's process.
    "fault": "program error",
    "fault_in": "fault in %(words)s",
    "fault_in_supervisor": "fault in the supervisor: %(words)s",
    "forkserver": "forkserver: %(of)s",
    "forkserver_hung_up": "the forkserver hung up",
    "start_unanswered": "no answer within %(seconds)g s",
    "ended_at_once": "the worker ended at once with %(status)d",
    "memory": "%(mib).1f MiB",
    "garbage": "wrote garbage on its pipe: %(words)s",
    "exit_unknown": "exit code unknown",
    "exit_stuck": "exit code %(status)d: the handler blocks, its log says where",
    "exit_code": "exit code %(status)d",
    "killed": "killed by %(words)s",
    "killed_by_number": "killed by signal %(number)d",
    # An inbox, and the disk under it.
    "unstorable": "messages can't be stored in %(path)s: %(of)s",
    "disk_full": "the disk is full; make room",
    "disk_silent": "the disk does not answer",
    "file_locked": "another program holds the file locked; close it",
    "no_sqlite": "it is not an SQLite file",
    "no_inbox": "it is an SQLite file, but no inbox",
    "newer_inbox": "it was written by a newer xyfleet (schema %(number)d, this one knows %(known)d); update xyfleet",
    "inbox_gone": "the inbox %(path)s was gone, or an older copy was put there; what it had is fetched again",
    "inbox_ruined": "the inbox %(path)s was ruined: %(aside)s; what it had is fetched again",
    "inbox_log_large": (
        "another program reads %(path)s without an end, so that its log can't shrink: %(size)d MB; close it"
    ),
    "inbox_no_file": "%(path)s is not a regular file; move it away and a new one is begun",
    "inbox_log_removed": "its log was removed, and another program that reads it has to be closed first",
    "log_unwritten": "log not written: %(words)s",
    "log_stuck": "log not written: the disk does not take it",
    # A handler.
    "handler_unusable": "handler %(name)s: %(of)s",
    "handler_hangs_in_import": "handler %(name)s hangs in its import at %(where)s; mend it, then restart the account",
    "handler_blocks": "handler %(name)s blocks its thread for more than %(seconds).0f s, at %(where)s",
    "handler_overdue": "handler %(name)s goes on long after its timeout: %(count)d of its calls ignore cancellation",
    "handler_name_taken": (
        "%(path)s is not used: the name is taken by the one in %(other)s; give your file another name"
    ),
    "handler_name_pythons": (
        "%(path)s is not used: the name is taken by one of Python's own; give your file another name"
    ),
    "handler_without_rules": "the worker was not told the rules of %(name)s",
    "handler_unnamed": "no function is named: write package.module:function",
    "handler_no_function": "%(name)s is no function but %(words)s",
    "handler_not_async": "%(name)s is not async: write `async def %(name)s(message, account)`",
    "handler_signature": "%(name)s can't be called with (message, account): %(words)s",
    "webhook": "webhook: %(of)s",
    "webhook_unset": "no webhook is set for %(name)s",
    "webhook_other_fleet": "the webhook process of another fleet (%(name)s) has the socket",
    "webhook_no_turn": "%(where)s has its hands full: no turn within %(seconds)g s",
    "webhook_unreachable": "the webhook process can't be reached: %(words)s",
    # The login hook.
    "user_held": "somebody else holds its user",
    "not_allowed": "its cool-down or its day's budget forbids it",
    "hook_waits_for_proxy": "the hook waits until the account's proxy works: %(of)s",
    "no_hook": "no hook configured",
    "no_first_login": "neither cookie nor username",
    "hook_not_started": "cannot be started: %(words)s",
    "program_missing": "missing: %(path)s",
    "program_no_file": "not a file: %(path)s",
    "program_not_executable": "not executable; do: chmod +x %(path)s",
    "program_crlf": "bad interpreter: first line ends in CRLF (Windows line ends); do: sed -i 's/\\r$//' %(path)s",
    "program_interpreter": "bad interpreter: %(words)s is not there",
    "hook_not_recorded": "not started: its run can't be put on record, the disk refuses",
    "hook_hangs": "hangs: not done within %(seconds).0f s, killed",
    "hook_floods": "floods its output: more than %(size)d KiB, killed",
    "hook_cookie": "its cookie: %(of)s",
    "hook_others_cookie": "it is the cookie of account %(name)s",
    "hook_no_json": "prints no JSON",
    "hook_nothing": "prints nothing",
    "hook_no_object": "wrong shape: a JSON object is wanted, not a %(words)s",
    "hook_cookie_no_text": 'wrong shape: "cookie" must be a text',
    "hook_no_cookie": "wrong shape: no cookie in it",
    "hook_no_first_cookie": "says that nothing is to be changed, but the account has no cookie yet",
    "hook_error_no_text": 'wrong shape: "error" must be a text',
    "hook_retry_no_seconds": 'wrong shape: "retry_after" must be seconds',
    "hook_error_empty": "error without words",
    # A cookie.
    "cookie_long": "is longer than %(limit)s characters",
    "cookie_no_user": "has no single user id (unb=…): it is not from a logged-in browser",
    "cookie_blank": "part %(number)s of %(count)s holds a blank or a line break inside",
    "cookie_odd": "part %(number)s of %(count)s holds a character that no browser sends, such as “；” or “＝”",
    "cookie_no_pair": "part %(number)s of %(count)s is not name=value",
    "cookie_curl_cut": "is a curl command that is cut off",
    "cookie_curl_bare": "is a curl command without a Cookie header",
    "cookie_json_cut": "begins like a JSON export, and is none: it may be cut off",
    "cookie_json_other": "is JSON, but no export of cookies (a list of objects with name and value)",
    "cookie_txt": "begins like a cookies.txt, and is none: seven fields with tabs between them are wanted",
    "cookie_other_user": (
        "it is the cookie of another user (unb %(found)s, not %(expected)s): give him an account of his own, with"
        " another name, or begin this one anew: xyfleet forget NAME"
    ),
    # Logins by code or browser, and renewals.
    "qr_no_code": "the service gave no code (HTTP %(status)d)",
    "qr_unclear": "the service does not say whether the code was scanned (HTTP %(status)d)",
    "qr_expired": "no code was confirmed in time; codes shown: %(count)d",
    "login_incomplete": "the login did not bring all its cookies; missing: %(words)s",
    "login_superseded": "the account was stopped, removed or got another login meanwhile",
    "renewal_check": "the renewal was answered with a check by a person",
    "renewal_refused": "the renewal was refused",
    # Everybody's trouble.
    "nobody_down": "nobody is down any more",
    "endpoint_answers": "the endpoint answers",
    "somebody_connected": "%(name)s is connected",
    # Tokens.
    "session_expired": "login session expired",
    "risk": "risk control wants a person to verify",
    "no_cookie": "no cookie yet",
    "token_call": "token call: %(of)s",
    "signing_refused": "signing cookie refused again and again",
    "signing_not_renewed": "signing cookie refused and not renewed",
    "http_status": "HTTP status %(status)d",
    "no_json": "answer is not JSON",
    "no_token": "answer without a token",
    "long_token": "token of %(count)d characters, at most %(most)d",
    "fewer_calls": "asks for fewer calls: %(of)s",
    "unknown_answer": "unknown answer: %(words)s",
    "codeless_answer": "unknown answer: no code",
    "cert_untrusted": "TLS certificate not trusted: %(words)s",
    "tls_failed": "TLS failed: %(words)s",
    "tls_failed_silently": "TLS failed: no reason given",
    "name_unresolved": "host name can't be resolved",
    "proxy_unreachable": "proxy can't be reached: %(words)s",
    "proxy_timeout": "proxy timed out",
    "proxy_refused": "proxy refused: %(words)s",
    "timeout": "timed out",
    "no_answer": "connection closed without an answer",
    "address_unusable": "address can't be used",
    "proxy_unusable": "proxy address can't be used",
    "connection_failed": "connection failed: %(words)s",
    # What handlers and programs ask of the platform; the code without `ask_` is the error's.
    "ask_stopped": "the account was stopped, removed or got another login",
    "ask_login": "the account's login is not well",
    "ask_risk": "the platform wants a person to pass a check first",
    "ask_outage": "an outage, or another login, holds the account's calls back",
    "ask_busy": "%(count)d questions of the account wait already",
    "ask_budget": "the account has made its %(count)d calls of a day; the next one in %(seconds).0f s",
    "ask_slower": "the platform asks for fewer calls: %(of)s",
    "ask_refused": "the platform says no: %(words)s",
    "ask_network": "no answer: %(of)s",
    "ask_strange": "the answer has a shape that is not known",
    "ask_large": "the answer is longer than %(size)d KiB",
    "ask_late": "no answer within %(seconds).0f s",
    "ask_api": "%(words)s is not named under `apis` of the account",
    "ask_bad": "not a question that can be asked: %(words)s",
    "ask_disk": "not done: it can't be put on record, the disk refuses",
    "ask_unknown": "nobody knows whether order %(words)s was marked as shipped: look in the app",
    "ask_fault": "a fault in xyfleet: %(words)s",
    # Why an order is not marked as shipped after all.
    "ship_given_up": "order %(order)s: %(of)s",
    "ship_too_late": "it could not be done for %(hours)d hours",
    "ship_done": "it was shipped meanwhile",
    "ship_over": "the order is %(words)s",
}
"""Code to raw words. A code, once out, keeps its meaning; a newer version may know more of them."""
_LATER: Final = "risk login outage slower stopped busy budget network late offline disk"
ASK_LATER: Final = frozenset(f"ask_{code}" for code in _LATER.split())
"""Refusals after which the same question may be answered another time."""


class Reason(msgspec.Struct, frozen=True):
    """
    Why, as a code (a key of `TEXTS`) with its fields. A field `of` is a reason itself; `words` are foreign.
    """

    code: str
    fields: dict[str, str | int | float | Reason] = {}

    def __str__(self) -> str:
        try:
            return TEXTS.get(self.code, self.code) % {
                key: str(value) if isinstance(value, Reason) else value for key, value in self.fields.items()
            }
        except (KeyError, TypeError, ValueError):  # of another version
            return self.code

    def cleaned(self, clean: Callable[[str], str]) -> Reason:
        """Return the same with what is foreign in it made fit to be shown."""
        return Reason(self.code, {key: _cleaned(value, clean) for key, value in self.fields.items()})


def _cleaned(value: str | int | float | Reason, clean: Callable[[str], str]) -> str | int | float | Reason:
    if isinstance(value, Reason):
        return value.cleaned(clean)
    return clean(value) if isinstance(value, str) else value


def words(text: str) -> Reason:
    """Return foreign words as a reason."""
    return Reason("words", {"words": text})
