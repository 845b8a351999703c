"""Images to be sent: what goes over the wire, whoever uploads is asked, and what a handler may return."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from xyfleet.worker.handlers.base import CheckedAnswer, HandlerFailed, Reply, checked
from xyfleet.worker.ipc.messages import Up, Uploaded, UploadRequest
from xyfleet.worker.messaging.sender import OutboxSender
from xyfleet.worker.messaging.uploads import Uploads
from xyfleet.worker.protocol.frames import Response
from xyfleet.worker.protocol.im_calls import Picture, send_image
from xyfleet.worker.settings import LogSettings, MailSettings
from xyfleet.worker.storage.inbox import AsyncStore
from xyfleet.worker.storage.operations import Letters
from xyfleet.worker.telemetry.account_log import AccountLog

PICTURE = Picture("https://img.example/1.jpg", 1080, 1440)


def test_body_of_an_image() -> None:
    """It is the page's: content type 2 inside of 101, with address and size."""
    message, receivers = send_image("-1", "5", "33", "22", PICTURE)
    said = json.loads(base64.b64decode(message["content"]["custom"]["data"]))

    assert said == {
        "contentType": 2,
        "image": {"pics": [{"height": 1440, "type": 0, "url": PICTURE.url, "width": 1080}]},
    }
    assert (message["content"]["contentType"], message["content"]["custom"]["type"]) == (101, 1)
    assert receivers == {"actualReceivers": ["33@goofish", "22@goofish"]}


async def test_uploads_ask_the_supervisor() -> None:
    """Each request gets its own answer; a path that no message holds is refused without one."""
    asked: list[Up] = []
    uploads = Uploads(lambda message: (asked.append(message), uploads.heard(Uploaded(request=1, picture=PICTURE)))[0])

    assert (await uploads.upload("/p/1.jpg")).picture == PICTURE
    assert asked == [UploadRequest(request=1, path="/p/1.jpg")]
    assert (await uploads.upload("/" + "x" * 2000)).reason is not None
    uploads.heard(Uploaded(request=7))


@pytest.mark.parametrize("image", [7, "", " ", "a\nb"])
def test_a_reply_whose_image_is_none(image: object) -> None:
    """Such a call of the handler has failed."""
    with pytest.raises(HandlerFailed):
        checked(Reply(image=image))  # type: ignore[arg-type]


def test_replies() -> None:
    """A `Reply` without an image is its text, and one without anything is none."""
    assert checked(Reply("hi")) == CheckedAnswer((Reply("hi"),))
    assert checked(Reply(" ")) is None
    assert checked(Reply(" ", "a.png")) == CheckedAnswer((Reply(None, "a.png"),))


async def test_an_upload_holds_up_no_end(tmp_path: Path) -> None:
    """Who ends the connection does not wait for an upload; when it is done, the image waits for the next one."""
    asked = asyncio.Event()
    done: asyncio.Future[Uploaded] = asyncio.get_running_loop().create_future()

    async def upload(path: str) -> Uploaded:
        asked.set()
        return await done

    settings = MailSettings(file=str(tmp_path / "inbox" / "a.db"))
    inbox = AsyncStore(settings, "a", lambda: None)
    log = AccountLog("a", LogSettings(dir=str(tmp_path), format="json"))
    sender = OutboxSender(inbox, settings, "22", log, lambda: None, upload=upload)
    running = asyncio.create_task(sender.run())
    sender.connected(Silent())
    queued = await sender.queue("5", "", "33", image="/p/1.jpg")
    assert queued.letter is not None
    await asked.wait()
    async with asyncio.timeout(1):
        await sender.rest()
    done.set_result(Uploaded(request=1, picture=PICTURE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # it goes on in the sender, whose job for the store is before ours then
    (stands,) = await inbox.do(Letters([queued.letter.number]))

    assert (stands.picture, stands.state) == (PICTURE, "queued")
    running.cancel()
    await asyncio.wait([running])
    await inbox.close(1)
    log.close()


class Silent:
    """A connection on which nothing must be asked."""

    began = 0

    async def ask(self, lwp: str, body: object, timeout: float | None = None) -> Response:
        """Fail."""
        raise AssertionError(lwp)
