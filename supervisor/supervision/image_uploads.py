"""Uploads images for workers: by the account's way, in its turn, never in an outage or under risk. Shell."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from xyfleet.supervisor.credentials import cookies
from xyfleet.supervisor.credentials.record import shown
from xyfleet.supervisor.credentials.store import Store
from xyfleet.supervisor.passport import image_files
from xyfleet.supervisor.passport.browser_calls import BrowserCalls, CheckWanted, NoAnswer
from xyfleet.supervisor.passport.image_files import BadImage, Image
from xyfleet.supervisor.passport.image_upload import NotUploaded, upload
from xyfleet.supervisor.passport.sites import sites_of
from xyfleet.supervisor.supervision.account import SupervisedAccount
from xyfleet.supervisor.supervision.account_state import Login, Wish
from xyfleet.supervisor.tokens.service import TokenService
from xyfleet.supervisor.workers.process import WorkerProcess
from xyfleet.worker.ipc.messages import Uploaded, UploadRequest
from xyfleet.worker.protocol.im_calls import Picture

LONGEST: Final = 100.0
"""Seconds that an upload may take in all, its turn included; the worker waits for longer."""
AT_ONCE: Final = 8
"""Images that are in memory at one time, over the whole fleet."""
READERS: Final = 2
"""Images that are read at one time."""
READ_WITHIN: Final = 10.0
"""Seconds that a disk has for one."""
MOST_HANGING: Final = 32
"""Threads that may hang in shares whose servers are gone, one for an account; so they are nobody else's."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class ImageUploads:
    """
    Answers the workers' requests, each whatever goes wrong.

    Args:
        troubled: Whether an outage, or another login of it, holds an account's calls back now.
    """

    def __init__(self, store: Store, tokens: TokenService, troubled: Callable[[SupervisedAccount], bool]) -> None:
        self._store = store
        self._tokens = tokens
        self._troubled = troubled
        self._readers = ThreadPoolExecutor(READERS + MOST_HANGING, "images")
        self._reads = asyncio.Semaphore(READERS)
        self._hanging: set[str] = set()
        """Accounts for which a thread hangs."""
        self._room = asyncio.Semaphore(AT_ONCE)

    async def answer(self, member: SupervisedAccount, child: WorkerProcess, request: UploadRequest) -> None:
        """Upload, and say where the image is, or why it is nowhere."""
        number = request.request
        try:
            async with asyncio.timeout(LONGEST):
                found = Uploaded(request=number, picture=await self._upload(member, request.path))
        except BadImage as error:
            found = Uploaded(request=number, reason=str(error))
        except NotUploaded as error:
            found = Uploaded(request=number, reason=str(error), later=error.dead)
        except _Later as error:
            found = Uploaded(request=number, reason=str(error), later=True)
        except NoAnswer as error:
            found = Uploaded(request=number, reason=f"the image was not uploaded: {error.reason}", later=True)
        except CheckWanted:
            found = Uploaded(request=number, reason="the image was not uploaded: the service asks for a check")
        except TimeoutError:
            found = Uploaded(request=number, reason="the image was not uploaded in time", later=True)
        except Exception as error:
            log.exception("fault while an image was uploaded account=%s", member.name)
            found = Uploaded(request=number, reason=f"a fault in xyfleet: {type(error).__name__}")
        log.info("image account=%s uploaded=%s", member.name, found.picture is not None)
        child.send(found)

    async def _upload(self, member: SupervisedAccount, path: str) -> Picture:
        # What can't be sent takes no turn; what waits for one is not held in memory, nor by a thread that lags behind.
        await self._off_loop(member.name, image_files.check, path)
        self._check(member)
        await self._tokens.turn(member.name, member.account.proxy)
        async with self._room:
            image = await self._off_loop(member.name, image_files.read, path)
            self._check(member)
            return await self._send(member, image)

    async def _off_loop(self, name: str, work: Callable[[str], T], path: str) -> T:
        """Read an image, or raise `_Later` when its disk does not answer; an account has one that hangs at most."""
        async with self._reads:
            if name in self._hanging:
                raise _Later("the image was not uploaded: the disk of an earlier one does not answer")
            reading = self._readers.submit(work, path)
            try:
                async with asyncio.timeout(READ_WITHIN):
                    return await asyncio.wrap_future(reading)
            except TimeoutError:
                raise _Later("the image was not uploaded: its disk does not answer") from None
            finally:
                if not reading.done():  # also when nobody waits for it any more: its worker has ended
                    self._hanging.add(name)
                    reading.add_done_callback(lambda _: self._hanging.discard(name))

    async def _send(self, member: SupervisedAccount, image: Image) -> Picture:
        key = self._store.key(member.name)
        held, account = self._store.at(key), member.account
        assert held.cookie is not None, "checked before"
        jar = cookies.parse(held.cookie.reveal())
        way = self._tokens.way(account.proxy)
        calls = BrowserCalls(way, sites_of(self._tokens.url), shown(held, account.identity), jar, account.proxy)
        try:
            return await upload(calls, image)
        finally:
            now = self._store.at(key)
            if calls.set_cookie and now.login == held.login and now.cookie is not None:
                self._store.put(key, now.but(cookie=cookies.merge(now.cookie, calls.set_cookie, time.time())))

    def _check(self, member: SupervisedAccount) -> None:
        """Raise `_Later` where no call may be made now."""
        if member.condition.wish is not Wish.RUN:
            raise _Later("the image was not uploaded: the account is stopped")
        held = self._store.get(member.name)
        if member.condition.login is not Login.FINE or held.cookie is None or held.verdict is not None:
            raise _Later("the image was not uploaded: the account's login is not well")
        if self._troubled(member):
            raise _Later("the image was not uploaded: an outage is on")


class _Later(Exception):
    """No call may be made now; `str()` is why, for people."""
