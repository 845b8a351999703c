"""The login hook of docs/login-hook.md in a real Chromium: it logs in, and stops at every check."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.places import DOCS

FORM = """<input id=fm-login-id><input id=fm-login-password type=password><input id=fm-agreement-checkbox type=checkbox>
<button class=password-login onclick="document.cookie='unb=7'; document.cookie='cookie2=c';
document.cookie='sgcookie=s'">x</button>"""
PAGES = {
    "good": FORM,
    "slider": FORM.replace("<button", "<div id=nc_1_n1z style='width:9px;height:9px'>x</div><button"),
    "frame": FORM + "<iframe src='/identity_verify.htm'></iframe>",
    "words": FORM + "<p>请按住滑块拖动</p>",
    "refused": FORM.replace("document.cookie='unb=7'", "document.getElementById('e').textContent='账密错误'").replace(
        "document.cookie='cookie2=c'", "0"
    )
    + "<div class=login-error-msg id=e></div>",
}


def program(page: str) -> str:
    """Return the program of a page."""
    text = (DOCS / page).read_text()
    return text.partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize("page", ["login-hook.md", "login-hook.zh-CN.md"])
def test_the_program_can_be_compiled(page: str) -> None:
    """Both pages show the same program, and it is one."""
    compile(program(page), page, "exec")
    assert program(page) == program("login-hook.md")


@pytest.mark.long
@pytest.mark.skipif(not Path("/usr/bin/chromium").exists() or not shutil.which("chromium"), reason="no Chromium here")
@pytest.mark.timeout(180)
async def test_it_logs_in_and_stops_at_every_check(tmp_path: Path) -> None:
    """A plain form brings a cookie; a slider, a frame or words of a check, and a refusal, are left to a person."""
    pytest.importorskip("playwright")
    hook = tmp_path / "login-hook.py"
    hook.write_text(program("login-hook.md"))

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGES.get(request.match_info["page"], ""), content_type="text/html", charset="utf-8")

    app = web.Application()
    app.router.add_get("/{page}", page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        answers = await asyncio.gather(*(_run(hook, name, f"{base}/{name}") for name in PAGES))
        found = dict(zip(PAGES, answers, strict=True))
    finally:
        await runner.cleanup()

    assert {"unb=7", "cookie2=c", "sgcookie=s"} <= set(found["good"]["cookie"].split("; "))
    assert "Chrome" in found["good"]["user_agent"]
    for name in ("slider", "frame", "words", "refused"):
        assert found[name]["needs_human"] is True, name
        assert "cookie" not in found[name]
    assert found["refused"]["error"] == "账密错误"


async def _run(hook: Path, account: str, url: str) -> dict[str, Any]:
    asked = {"account": account, "username": "u", "password": "p", "proxy": None}
    process = await asyncio.create_subprocess_exec(
        sys.executable, hook, url, "--headless", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(asked).encode())
    answer: dict[str, Any] = json.loads(out)
    return answer
