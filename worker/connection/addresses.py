"""Which of a name's addresses is taken: the first that answers. Shell.

Event loops try one after the other, each until the system gives up: a dead one of several would eat the whole time.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Final

from aiohappyeyeballs import AddrInfoType, start_connection

HAPPY_EYEBALLS_DELAY: Final = 0.25
"""Seconds that an address of several has before the next one is tried beside it (RFC 8305)."""


async def addresses_of(host: str, port: int) -> Sequence[AddrInfoType]:
    """Return a name's addresses. Raises OSError, UnicodeError."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def first_to_answer(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """Return a connected socket. Raises OSError when none answers, in words without addresses if all say the same."""
    try:
        return await start_connection(addresses, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY)
    except OSError as error:
        if not error.errno or error.errno < 0:
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from None
    except RuntimeError as error:  # uvloop's, of a handle that it has closed
        raise OSError(str(error)) from error
