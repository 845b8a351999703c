"""What a browser runs on the gateway's page `/im`: it shows a code, asks about it, and finishes the login. Pure.

The order of the calls is that of docs/protocol.md, "The login page"; the script is made up.
"""

from __future__ import annotations

from typing import Final

LOGIN_SCRIPT: Final = """
const post = (path, form) => fetch(path, {method: "POST", body: new URLSearchParams(form)});
const data = async (answer) => (await (await answer).json()).content?.data ?? {};
async function login() {
  const code = await data(fetch("/newlogin/qrcode/generate.do"));
  document.body.textContent = code.codeContent;
  for (;;) {
    await new Promise((done) => setTimeout(done, 300));
    await fetch("/im");
    const said = await data(post("/newlogin/qrcode/query.do", {t: code.t, ck: code.ck}));
    if (said.qrCodeStatus !== "CONFIRMED" || !said.processFinished) continue;
    for (const url of said.asyncUrls) await fetch(url);
    await post("/ac/account/setLoginSettings.do", {status: 0});
    await post("/h5/mtop.taobao.idlemessage.pc.loginuser.get/1.0/", {data: "{}"});
    return;
  }
}
addEventListener("DOMContentLoaded", login);
"""
