"""py-consul, speaking through httpx.

py-consul has an HTTP client for asyncio, `consul.aio`, and it is not used: it hands aiohttp options
that are deprecated there, trusts all CAs of the system beside the one that is given, and needs a
running loop to be made. Its base class is made to be given another HTTP client, so ours is given.

Three more things are put right here. The library prefers a token of the environment to the one that
it is told. `catalog.register` writes the token into the URL and sends no metadata of a node, so
the catalog's writes are made by hand. And what ACLs hide from us is said in a header alone.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from consul import base
from consul.exceptions import ConsulException

from vectorplane import __version__
from vectorplane.adapters.connections import broken_by
from vectorplane.errors import (
    RegistryFailed,
    RegistryRejected,
    RegistryUnauthorized,
    RegistryUnreachable,
)

MAX_SHOWN = 300
_PORTS = {"http": 80, "https": 443}
_HIDDEN = "x-consul-results-filtered-by-acls"


@dataclass(frozen=True, slots=True)
class Connection:
    """How an agent is reached. `url` is as `https://consul.example:8501`, the files are PEM,
    `timeout` is of one call, in seconds. `needs` says what the token must allow, for people."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    datacenter: str = ""
    timeout: float = 10.0
    needs: str = ""


class AsyncConsul(base.Consul):  # type: ignore[misc]
    """py-consul's methods as coroutines, whose errors are ours. Made inside or outside of a loop,
    used in one."""

    def __init__(self, connection: Connection) -> None:
        self._http = _Http(connection)
        super().__init__(
            host=self._http.host,
            port=self._http.port,
            scheme=self._http.scheme,
            dc=connection.datacenter or None,
            verify=True,
        )
        self.token = connection.token or None

    @property
    def place(self) -> str:
        """Where it is, without anything secret."""
        return self._http.base_uri

    def http_connect(self, *_: Any, **__: Any) -> _Http:
        return self._http

    async def close(self) -> None:
        await self._http.close()


def _sending(method: str) -> Callable[..., Any]:
    """A method of the library's HTTP client that sends a body."""

    def send(
        self: _Http,
        callback: Callable[[base.Response], Any],
        path: str,
        params: Any = None,
        data: str | bytes = "",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        return self._call(method, callback, path, params, headers, data)

    return send


class _Http(base.HTTPClient):  # type: ignore[misc]
    """One pool of connections. Certificates are read at the first call, and again after TLS failed:
    whoever replaces the files need not start us anew."""

    def __init__(self, connection: Connection) -> None:
        parts = _checked(connection)
        super().__init__(
            parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme, verify=True
        )
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.base_uri = f"{self.scheme}://{host}:{self.port}{parts.path}"
        self._connection = connection
        self._client: httpx.AsyncClient | None = None

    def get(
        self,
        callback: Callable[[base.Response], Any],
        path: str,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        raw: bool = False,
    ) -> Any:
        return self._call("GET", callback, path, params, headers)

    put = _sending("PUT")
    delete = _sending("DELETE")
    post = _sending("POST")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _call(
        self,
        method: str,
        callback: Callable[[base.Response], Any],
        path: str,
        params: Sequence[tuple[str, Any]] | None,
        headers: Mapping[str, str] | None,
        data: str | bytes = "",
    ) -> Any:
        if self._client is None:
            self._client = self._opened()
        try:
            answer = await self._client.request(
                method, self.uri(path, params), content=data, headers=dict(headers or {})
            )
        except httpx.TimeoutException as error:
            raise RegistryUnreachable(f"{self.base_uri} gave no answer in time") from error
        except (httpx.TransportError, OSError) as error:
            # An alert of TLS 1.3 comes with the first answer, and httpx lets it through as it is.
            cause = _cause(error)
            if "TLS" in cause:
                await self.close()
            raise RegistryUnreachable(f"{self.base_uri} cannot be reached{cause}") from error
        self._check(answer)
        try:
            return callback(base.Response(answer.status_code, answer.headers, answer.text))
        except (ConsulException, AttributeError) as error:
            raise RegistryFailed(f"{self.base_uri} sent what makes no sense") from error

    def _check(self, answer: httpx.Response) -> None:
        status, needs = answer.status_code, self._connection.needs
        if status in (401, 403):
            said = f"{self.base_uri} refuses the ACL token{self._said(answer)}"
            raise RegistryUnauthorized(f"{said}; it needs {needs}" if needs else said)
        if answer.headers.get(_HIDDEN) == "true":
            said = f"{self.base_uri} hides entries from the ACL token"
            raise RegistryUnauthorized(f"{said}; it needs {needs}" if needs else said)
        if status == 429 or status >= 500:
            after = answer.headers.get("retry-after", "")
            raise RegistryFailed(
                f"{self.base_uri} answered HTTP {status}{self._said(answer)}",
                retry_after=float(after) if after.isdigit() else None,
            )
        if status >= 300 and status != 404:
            raise RegistryRejected(
                f"{self.base_uri} refuses the request (HTTP {status}){self._said(answer)}"
            )

    def _said(self, answer: httpx.Response) -> str:
        """What an answer says, never with our token in it."""
        text = " ".join(answer.text.split())
        if self._connection.token:
            text = text.replace(self._connection.token, "********")
        return f": {text[:MAX_SHOWN]}" if text else ""

    def _opened(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=self._trust(),
            timeout=self._connection.timeout,
            headers={"user-agent": f"vectorplane/{__version__}"},
            # Nothing of the environment reaches a request: no proxy, no netrc.
            trust_env=False,
        )

    def _trust(self) -> ssl.SSLContext | bool:
        if self.scheme == "http":
            return False  # no certificates are loaded for nothing
        file = self._connection.ca_file
        try:
            context = ssl.create_default_context(cafile=file or None)
            if self._connection.cert_file:
                file = self._connection.cert_file
                context.load_cert_chain(file, self._connection.key_file or None)
        except OSError as error:
            said = error.strerror or type(error).__name__
            raise RegistryRejected(f"Consul's certificates: {file}: {said}") from error
        return context


def _checked(connection: Connection) -> SplitResult:
    """The parts of the URL. Raises `RegistryRejected`, without the URL: it may hold a password."""
    try:
        parts = urlsplit(connection.url.rstrip("/"))
        _ = parts.port
    except ValueError as error:
        raise RegistryRejected("Consul's URL is none") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise RegistryRejected("Consul's URL is like http://127.0.0.1:8500")
    if "@" in parts.netloc:
        raise RegistryRejected("Consul's URL holds no user: the token is a setting of its own")
    if not connection.token.isascii() or (connection.token and not connection.token.isprintable()):
        raise RegistryRejected("Consul's token holds characters that no header can carry")
    return parts


def _cause(error: BaseException) -> str:
    match broken_by(error):
        case ssl.SSLCertVerificationError(verify_message=why):
            return f": TLS failed, its certificate is not trusted ({why})"
        case ssl.SSLError(reason=why):
            return f": TLS failed ({why or 'no reason given'})"
        case ConnectionRefusedError():
            return ": connection refused"
    return f" ({type(error).__name__})"
