"""The webhook process, asked over its socket as workers do; real web services answer it."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.receiver import Receiver, raw_server, secure_server
from support.webhooks import MESSAGE, SAID, Process, asker, hook, running
from xyfleet.supervisor import simulator
from xyfleet.worker.version import VERSION

pytestmark = pytest.mark.pythons

PEM = Path(simulator.__path__[0])
CERT, KEY = PEM / "loopback-test-cert.pem", PEM / "loopback-test-key.pem"


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    """Run one process for all tests here; what the system trusts is, for it, our test certificate."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "webhook.sock", SSL_CERT_FILE=str(CERT)) as it:
        yield it


async def test_post(process: Process) -> None:
    """The message is posted as it came, with type, time and a signature that the receiver can verify."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/reply"))

        assert await worker.ask("a0") == {"replies": [SAID]}
        (call,) = receiver.calls
        assert call.signed
        assert call.message == MESSAGE
        assert call.headers["Content-Type"] == "application/json"
        assert call.headers["User-Agent"] == f"xyfleet/{VERSION}"


async def test_wrong_or_no_key(process: Process) -> None:
    """Another key gives a signature that does not fit; without one there is none."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/reply", "other"), a1=hook(f"{receiver.url}/reply", None))
        await worker.ask("a0")
        await worker.ask("a1")

        assert [call.signed for call in receiver.calls] == [False, False]
        assert ["X-Xyfleet-Signature" in call.headers for call in receiver.calls] == [True, False]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("none", {"replies": []}),
        ("null", {"replies": []}),
        ("empty", {"replies": []}),
        ("image", {"replies": [SAID | {"text": None, "image": "guide.png"}]}),
        ("error", {"failed": "URL answered 500"}),
        ("html", {"failed": "URL answered text/html that is no JSON"}),
        ("broken", {"failed": "URL answered application/json that is no JSON"}),
        ("number", {"failed": 'URL answered a "reply" that is a JSON number, not a text'}),
        ("bare", {"failed": "URL answered a JSON string, not an object"}),
        ("typo", {"failed": 'URL answered an object without "reply"'}),
        ("nothing", {"failed": 'URL answered nothing: say {"reply": null}, or answer 204'}),
        ("long", {"failed": "URL answered more than 64 KiB"}),
        ("endless", {"failed": "URL answered more than 64 KiB"}),
        ("hang-up", {"failed": "URL: connection closed without an answer"}),
    ],
)
async def test_answers(process: Process, path: str, answer: dict[str, Any]) -> None:
    """Each kind of answer is told as what it is; address, keys and the body's words stay out of it."""
    async with Receiver() as receiver, asker(process.path) as worker:
        with_user = receiver.url.replace("//", "//me:pa55word@")
        process.take(a0=hook(f"{with_user}/{path}?token=abcdef"))
        found = await worker.ask("a0")

        assert found == {
            key: each.replace("URL", receiver.url) if isinstance(each, str) else each for key, each in answer.items()
        }
        assert receiver.calls[0].headers["Authorization"].startswith("Basic ")
        assert receiver.written < 9_000_000


async def test_redirect_is_not_followed(process: Process) -> None:
    """A redirect is a failure: what is signed for one address is not sent to another."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/away"))
        found = await worker.ask("a0")

        assert found["failed"].startswith(f"{receiver.url} answered 302: redirects are not followed")
        assert [call.path for call in receiver.calls] == ["away"]


async def test_slow(process: Process) -> None:
    """A webhook that takes too long has failed, and is let go of."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/wait"))

        assert await worker.ask("a0", timeout=0.1) == {"failed": f"{receiver.url} gave no answer within 0.1 s"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"reply": "x"}', "the answer broke off"),
        (b"", "connection closed without an answer"),
    ],
)
async def test_no_http(process: Process, raw: bytes, reason: str) -> None:
    """What is no web service, or breaks off, is named."""
    async with raw_server(raw) as url, asker(process.path) as worker:
        process.take(a0=hook(url))

        assert await worker.ask("a0") == {"failed": f"{url}: {reason}"}


async def test_down(process: Process) -> None:
    """Nobody listens, or the name is unknown: it may be called later."""
    async with Receiver() as receiver:
        url = receiver.url
    async with asker(process.path) as worker:
        process.take(a0=hook(f"{url}/x?key=abcdef"), a1=hook("http://no-such-host.invalid/x"))

        assert await worker.ask("a0") == {"failed": f"{url}: connection refused", "later": True}
        unknown = "http://no-such-host.invalid: host name can't be resolved"
        assert await worker.ask("a1") == {"failed": unknown, "later": True}


async def test_tls(process: Process) -> None:
    """https works with a certificate that the system trusts; what is wrong otherwise is named."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERT, KEY)
    with secure_server(tls) as url, running(process.path.with_name("untrusting.sock")) as untrusting:
        async with Receiver() as plain, asker(process.path) as worker, asker(untrusting.path) as other:
            process.take(a0=hook(url), a1=hook(plain.url.replace("http:", "https:")))
            untrusting.take(a0=hook(url))

            assert await worker.ask("a0") == {"replies": [SAID]}
            assert "TLS failed" in (await worker.ask("a1"))["failed"]
            failed = (await other.ask("a0"))["failed"].replace("self signed", "self-signed")
            assert failed == f"{url}: TLS certificate not trusted: self-signed certificate"


async def test_unknown_account(process: Process) -> None:
    """An account that has no webhook is refused: nothing was called."""
    async with asker(process.path) as worker:
        process.take()

        assert await worker.ask("a7") == {"refused": {"code": "webhook_unset", "fields": {"name": "a7"}}}


async def test_bounded(process: Process) -> None:
    """At most 16 calls to one address at one time; who gets no turn is refused; another address is not held up."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/wait"), a1=hook(f"{receiver.url}/reply"))
        for _ in range(20):
            worker.put("a0")
        await receiver.called(16)
        late = worker.put("a0", timeout=0.2)
        other = worker.put("a1")
        assert await worker.take() == {"number": other, "replies": [SAID]}
        refused = {"code": "webhook_no_turn", "fields": {"where": receiver.url, "seconds": 0.2}}
        assert await worker.take() == {"number": late, "refused": refused}
        receiver.go.set()
        done = {(await worker.take())["number"] for _ in range(20)}

        assert done == set(range(1, 21))
        assert receiver.most == 17


async def test_new_table_while_calls_are_under_way(process: Process) -> None:
    """A new table holds for what comes after it; calls under way end by the old one."""
    async with Receiver() as old, Receiver() as new, asker(process.path) as worker:
        process.take(a0=hook(f"{old.url}/wait"), a1=hook(f"{old.url}/wait"))
        first = worker.put("a0")
        await old.called(1)
        process.take(a0=hook(f"{new.url}/none"))
        second = worker.put("a0")
        assert await worker.take() == {"number": second, "replies": []}
        assert await worker.ask("a1") == {"refused": {"code": "webhook_unset", "fields": {"name": "a1"}}}
        old.go.set()

        assert await worker.take() == {"number": first, "replies": [SAID]}
        assert (len(old.calls), len(new.calls)) == (1, 1)


async def test_dead_worker_is_not_waited_for(process: Process) -> None:
    """When a worker dies its calls are cut short, so that the webhook is free for others."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/wait"))
        async with asker(process.path) as dying:
            for _ in range(16):
                dying.put("a0")
            await receiver.called(16)
        number = worker.put("a0")
        await receiver.called(17)
        receiver.go.set()

        assert await worker.take() == {"number": number, "replies": [SAID]}


async def test_calls_under_way_at_the_end_have_no_answer(tmp_path: Path) -> None:
    """Nobody knows how far they came: the connection ends, and nobody is told that they failed, to be made again."""
    async with Receiver() as receiver:
        ending = Process(tmp_path / "webhook.sock")
        ending.take(a0=hook(f"{receiver.url}/wait"))
        async with asker(ending.path) as worker:
            worker.put("a0")
            await receiver.called(1)
            end = asyncio.create_task(asyncio.to_thread(ending.end))
            assert await worker.reader.read() == b""
        assert await end == (0, "")


async def test_large_message(process: Process) -> None:
    """A message as large as the server can send goes through."""
    async with Receiver() as receiver, asker(process.path) as worker:
        process.take(a0=hook(f"{receiver.url}/reply"))
        large = {"text": "在" * 2_500_000}

        assert await worker.ask("a0", message=large) == {"replies": [SAID]}
        assert receiver.calls[0].message == large


async def test_garbage(process: Process) -> None:
    """A worker that speaks nonsense loses its connection, not the others theirs; half a line at its end is nothing."""
    async with asker(process.path) as worker, asker(process.path) as other:
        process.take()
        worker.writer.write(b'{"number": 1}\n')
        assert await worker.reader.read() == b""
        async with asker(process.path) as dying:
            dying.writer.write(b'{"number": 1')
        assert "refused" in await other.ask("a0")


async def test_socket_is_private_and_comes_back(process: Process) -> None:
    """The socket is its owner's only; one that was removed is made again with the next table."""
    process.take()
    assert stat.S_IMODE(process.path.stat().st_mode) == 0o600
    async with asker(process.path) as worker:
        process.path.unlink()
        process.take()
        async with asker(process.path) as other:
            assert "refused" in await other.ask("a0")
        assert "refused" in await worker.ask("a0")  # who is connected notices nothing


def test_shows_no_secret(process: Process) -> None:
    """Neither command line nor environment has a key or an address; the title says what it is."""
    process.take(a0=hook("http://user:pa55word@127.0.0.1/T0KEN", "a very own key"))
    proc = Path(f"/proc/{process.process.pid}")
    shown = (proc / "cmdline").read_bytes()
    if os.geteuid() == 0:  # nobody else may look: the process is not dumpable
        shown += (proc / "environ").read_bytes()

    assert shown.rstrip(b"\0 ").startswith(b"xyfleet: webhooks")
    assert not any(secret in shown for secret in (b"pa55word", b"T0KEN", b"a very own key", b"127.0.0.1"))
