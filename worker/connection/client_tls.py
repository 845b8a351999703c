"""The TLS of a client of the gateway. Pure but for the trust store, which it reads."""

from __future__ import annotations

import ssl


def client_tls(ca_file: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file` alone, or what the system trusts; and offers HTTP/1.1, as browsers do."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
