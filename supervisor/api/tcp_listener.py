"""Port, certificate and token of the HTTP API on TCP, prepared while a start can still be refused. Shell."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import secrets
import socket
import ssl
import stat
from pathlib import Path
from typing import Final, NamedTuple

from xyfleet.supervisor.common import atomic_files
from xyfleet.supervisor.common.i18n import _
from xyfleet.supervisor.common.private_folders import reason
from xyfleet.supervisor.settings import Http, Tls
from xyfleet.worker.private_files import read_private
from xyfleet.worker.secret import Secret

TOKEN_FILE: Final = "http-token"
"""In the state folder; made at the first start."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43,256}")
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What binding to the other address of `localhost` says where there is no IPv6."""

log = logging.getLogger(__name__)


class ListenRefused(Exception):
    """The fleet can't listen as `fleet.http` wants; the text says why and what to do."""


class TcpListener(NamedTuple):
    """What a listener needs."""

    sockets: tuple[socket.socket, ...]
    tls: ssl.SSLContext | None
    token: Secret

    def close(self) -> None:
        """Let go of the port."""
        for one in self.sockets:
            one.close()


def open_listener(http: Http, state_dir: Path) -> TcpListener:
    """Take the port, read certificate and token. Raises `ListenRefused`."""
    tls = None if http.tls is None else _tls(http.tls)
    token = read_token(state_dir / TOKEN_FILE)
    return TcpListener(_sockets(http), tls, token)


def read_token(path: Path) -> Secret:
    """Return the token of the file; one that is not there is made. Raises `ListenRefused`."""
    try:
        with contextlib.suppress(FileNotFoundError):
            return _checked(path, read_private(path))
        token = secrets.token_urlsafe(32)
        atomic_files.write(path, token.encode() + b"\n", keep=False)
    except OSError as error:
        text = _("the token of the HTTP API can't be had: %(path)s: %(why)s")
        raise ListenRefused(text % {"path": path, "why": reason(error)}) from None
    return Secret(token)


def _checked(path: Path, data: bytes) -> Secret:
    token = data.decode("ascii", errors="replace").strip()
    if not _TOKEN.fullmatch(token):
        text = _(
            "%(path)s holds no token of the HTTP API (at least 43 of the characters A-Z a-z 0-9 _ -); "
            "remove the file, and the next start makes a new token"
        )
        raise ListenRefused(text % {"path": path})
    mode = path.stat().st_mode
    if mode & stat.S_IROTH:
        text = _("%(path)s is the fleet's key, and every user of this machine can read it; run: chmod 600 %(path)s")
        raise ListenRefused(text % {"path": path})
    if mode & stat.S_IRGRP:  # for a group of programs: the owner may want it so
        log.warning("%s can be read by others; do: chmod 600 %s", path, path)
    return Secret(token)


def _tls(files: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password is given so that a locked key is refused; without one OpenSSL would ask the terminal.
        context.load_cert_chain(files.cert, files.key, password="")
    except (OSError, ValueError) as error:
        text = _("fleet.tls can't be used (%(cert)s, %(key)s): %(why)s; PEM is wanted, the key without a password")
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise ListenRefused(text % {"cert": files.cert, "key": files.key, "why": why}) from None
    return context


def _sockets(http: Http) -> tuple[socket.socket, ...]:
    """Return sockets that listen on all addresses of the host."""
    opened: list[socket.socket] = []
    errors: list[OSError] = []
    try:
        found = socket.getaddrinfo(http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise _no_port(http, error) from None
    for family, _kind, _protocol, _name, address in dict.fromkeys(found):
        try:
            opened.append(_listener(family, address))
        except OSError as error:
            errors.append(error)
    serious = [error for error in errors if not opened or error.errno not in _NOT_HERE]
    if serious:
        for one in opened:
            one.close()
        raise _no_port(http, serious[0])
    return tuple(opened)


def _listener(family: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(128)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    return one


def _no_port(http: Http, error: OSError) -> ListenRefused:
    where = {"host": http.host, "port": http.port, "why": error.strerror}
    if error.errno == errno.EADDRINUSE:
        text = _("port %(port)d of %(host)s (fleet.http) is in use; end the program that has it, or choose another")
    else:
        text = _("cannot listen on %(host)s port %(port)d (fleet.http): %(why)s")
    return ListenRefused(text % where)
