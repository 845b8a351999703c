"""What a worker is told: nothing that it does not need, above all no secret of its account."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import asdict

from xyfleet.supervisor.credentials.record import Credentials
from xyfleet.supervisor.settings import Account, Fleet, Mail, Settings, Webhook
from xyfleet.supervisor.workers.worker_config import gateway_of, log_settings, mail_settings, worker_settings
from xyfleet.worker.ipc.codec import MAX_DOWN, encode
from xyfleet.worker.ipc.messages import Go
from xyfleet.worker.secret import Secret
from xyfleet.worker.settings import MailSettings

FLEET = Fleet(name="f", state_dir=Path("/state"))
ACCOUNT = Account(
    name="shop-001",
    where="/home/me/accounts.yml:3",
    label="店",
    cookie=Secret("unb=1; cookie2=hunter2"),
    password=Secret("hunter2"),
    webhook=Webhook(url=Secret("https://hunter2/"), secret=Secret("hunter2")),
    mail=Mail(keep_bytes=2_000_000, on_unknown="retry"),
)
SETTINGS = Settings(path=Path("/home/me/accounts.yml"), fleet=FLEET, accounts={"shop-001": ACCOUNT})
INBOX = Path("/state/inbox/1.db")
SOCKET = Path("/run/xf/webhook.sock")


def test_mail_settings_are_complete() -> None:
    """Where the inbox is, since when, what answers, and every number."""
    assert mail_settings(SETTINGS, ACCOUNT, INBOX, 1_700_000_000_000, 7, SOCKET) == MailSettings(
        file="/state/inbox/1.db",
        since=1_700_000_000_000,
        known_row=7,
        handler_path="/home/me",
        handler_packages="/state/requirements/current/site-packages",
        webhook="/run/xf/webhook.sock",
        fleet="f",
        label="店",
        users="/state/fleet-users.ids",
        keep_bytes=2_000_000,
        on_unknown="retry",
    )


def test_an_account_without_a_webhook_has_no_socket() -> None:
    """So its worker never connects to the process that calls webhooks."""
    account = Account(name="a", where="f:1", handler="replies:answer")
    told = mail_settings(SETTINGS, account, INBOX, 5, 0, SOCKET)

    assert (told.webhook, told.handler) == (None, "replies:answer")
    assert asdict(told) | asdict(account.mail) == asdict(told)


def test_a_worker_gets_no_secret_but_its_proxy() -> None:
    """Cookie, password, the webhook's address and key: none is in what goes to the worker."""
    held = Credentials(unb="1", device_id="d", cookie=ACCOUNT.cookie, token=Secret("hunter2"), since=7)
    mail = mail_settings(SETTINGS, ACCOUNT, INBOX, held.since, 0, SOCKET)
    told = worker_settings(ACCOUNT, held, gateway_of(FLEET), 20.0, log_settings(FLEET, 1000, False), mail)

    assert told.mail.since == 7
    assert b"hunter" not in encode(Go(settings=told), MAX_DOWN)
