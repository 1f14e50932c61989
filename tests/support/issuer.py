"""An OpenID Connect issuer on the loopback interface: a real HTTP server with a discovery document
and keys, that can rotate them, go away, and come back."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc.jwk import RSAKey

from support.certificates import Certificates
from support.forging import AnyKey, forged

DISCOVERY = "/.well-known/openid-configuration"
AUDIENCE = "vectors"


class Issuer:
    """`keys` are published, the first one signs; `asked` are the paths that somebody asked for."""

    def __init__(self, *keys: AnyKey, certificates: Certificates | None = None) -> None:
        self.keys: list[AnyKey] = [*keys] or [RSAKey.generate_key(2048)]
        self.asked: list[str] = []
        self.said: dict[str, tuple[int, bytes]] = {}
        """Answers that stand in for the honest ones, by path."""
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self._certificates = certificates
        self.come()

    @property
    def url(self) -> str:
        scheme = "http" if self._certificates is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}/realm"

    def jwks(self) -> dict[str, Any]:
        return {"keys": [_published(key) for key in self.keys]}

    def token(
        self, key: AnyKey | None = None, *, algorithm: str | None = None, **changed: Any
    ) -> str:
        """A token as this issuer makes them. `changed` replaces claims; `...` leaves one out."""
        signer = self.keys[0] if key is None else key
        now = time.time()
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now,
            "exp": now + 600,
            "permissions": ["read"],
            **changed,
        }
        header = {"kid": signer.thumbprint()}
        return forged(signer, claims, header=header, algorithm=algorithm)

    def jwks_asked(self) -> int:
        return self.asked.count("/realm/keys")

    def go(self) -> None:
        """Nobody listens at the address any more."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None

    def come(self) -> None:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                status, body = issuer._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        if self._certificates is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._certificates.certificate, self._certificates.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path in self.said:
            return self.said[path]
        honest = {
            f"/realm{DISCOVERY}": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/realm/keys": self.jwks(),
        }
        found = honest.get(path)
        return (404, b"") if found is None else (200, json.dumps(found).encode())

    def close(self) -> None:
        if self._server is not None:
            self.go()


def _published(key: AnyKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig"}


@contextmanager
def issuing(*keys: AnyKey, certificates: Certificates | None = None) -> Iterator[Issuer]:
    issuer = Issuer(*keys, certificates=certificates)
    try:
        yield issuer
    finally:
        issuer.close()
