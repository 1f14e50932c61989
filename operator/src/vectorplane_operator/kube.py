"""The Kubernetes API, as far as the operator speaks with it: plain JSON over the client that the
`kubernetes` package ships for asyncio, with its errors mapped here and nowhere else.

Gone and Stale never leave the operator: who asks knows what they mean. All else is `Waiting`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
import structlog
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from vectorplane import __version__
from vectorplane.errors import ApiUnavailable, SecretUnreadable
from vectorplane.spec_base import API_VERSION
from vectorplane.spec_store import SecretKeyRef

FIELD_MANAGER = "vectorplane-operator"
COLLECTIONS = "vectorcollections"
STORES = "vectorstores"
ACCESSES = "vectoraccesses"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml; charset=utf-8"
_NOT_PLAIN = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that JSON takes as they are and YAML does not, or takes for the end of a line."""
_TIMEOUT = aiohttp.ClientTimeout(total=15.0)
_AT_ONCE = 16
"""Requests under way: a thousand new resources must not be a thousand requests."""

Json = dict[str, Any]
Guard = Callable[[], AbstractContextManager[None]]
"""Stands around each write; raises `NotLeading` where it must not be sent."""
Seen = Callable[[str, int | None, float], None]
"""Is told of each request: its method, the status (None: no answer) and the seconds it took."""
log = structlog.get_logger(__name__)


class Gone(Exception):
    """404: the object, or its kind, is not there."""


class Stale(Exception):
    """409: the object is not as we knew it; read it again."""


class Forbidden(ApiUnavailable):
    """403: somebody must grant it, or the namespace is on its way out."""


class Invalid(ApiUnavailable):
    """400 or 422: what we sent will not do."""


def path_of(plural: str, namespace: str | None = None, name: str | None = None) -> str:
    """The path of our own resources: all of a kind, or one."""
    path = f"/apis/{API_VERSION}"
    if namespace:
        path += f"/namespaces/{quote(namespace)}"
    path += f"/{plural}"
    return f"{path}/{quote(name)}" if name else path


class Api:
    """One connection pool to one API server. Whatever changes something there passes `guard`."""

    def __init__(
        self, client: ApiClient, guard: Guard = nullcontext, seen: Seen = lambda *_: None
    ) -> None:
        self._client = client
        self._guard = guard
        self._seen = seen
        self._slots = asyncio.Semaphore(_AT_ONCE)
        client.user_agent = f"{FIELD_MANAGER}/{__version__}"

    @classmethod
    async def connect(cls, guard: Guard = nullcontext, seen: Seen = lambda *_: None) -> Api:
        """With the service account of the pod, or else with the kubeconfig."""
        configuration = Configuration()
        await _log_in(configuration)
        # With this on, aiohttp asks a thread for netrc and proxies before each request: half of
        # the time of a call. So the proxy is looked up once.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.proxy = configuration.proxy or _proxy(configuration.host)
        return cls(ApiClient(configuration), guard, seen)

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, **query: str) -> Json:
        return await self._request("GET", path, query=query)

    async def pages(
        self, path: str, *, limit: int = 500, selector: str = ""
    ) -> AsyncIterator[list[Json]]:
        """All objects of a list, page by page; of these labels only, where a selector is given."""
        token = ""
        only = {"labelSelector": selector} if selector else {}
        while True:
            more = {"continue": token} if token else {}
            page = await self.get(path, limit=str(limit), **only, **more)
            yield page.get("items", [])
            token = page.get("metadata", {}).get("continue") or ""
            if not token:
                return

    async def watch(
        self, path: str, version: str, seconds: int = 300, *, selector: str = ""
    ) -> AsyncIterator[Json]:
        """Events since a resourceVersion, until the server ends the watch, after `seconds` at the
        latest. Raises `ApiUnavailable` where the version is too old."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        query |= {"labelSelector": selector} if selector else {}
        timeout = aiohttp.ClientTimeout(total=seconds + 10.0)
        with _reached():
            response = await self._send("GET", path, None, "application/json", query, timeout)
            try:
                if response.status != 200:
                    _answer(response.status, response.headers, await response.read())
                async for line in response.response.content:
                    event = orjson.loads(line)
                    if event.get("type") == "ERROR":
                        _answer(event["object"].get("code", 500), {}, orjson.dumps(event["object"]))
                    yield event
            finally:
                # Who listens no more would leave it open.
                response.response.close()

    async def merge(self, path: str, body: Json) -> Json:
        """A merge patch. A `metadata.resourceVersion` in it is a precondition."""
        return await self._request("PATCH", path, body, _MERGE, {"fieldManager": FIELD_MANAGER})

    async def apply(self, path: str, body: Json) -> Json:
        """A server-side apply: what we said before and say no more goes."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._request("PATCH", path, as_yaml(body), _APPLY, query)

    async def create(self, path: str, body: Json) -> Json:
        query = {"fieldManager": FIELD_MANAGER}
        return await self._request("POST", path, body, "application/json", query)

    async def delete(self, path: str, *, uid: str = "") -> None:
        """Raises Gone where it is not there, Stale where the one there has another UID."""
        await self._request("DELETE", path, {"preconditions": {"uid": uid}} if uid else None)

    async def secret(self, ref: SecretKeyRef) -> str:
        """The text behind one key of a Secret. No message shows what stands in it."""
        place = f"Secret {ref.namespace}/{ref.name}"
        path = f"/api/v1/namespaces/{quote(ref.namespace)}/secrets/{quote(ref.name)}"
        try:
            data = (await self.get(path)).get("data") or {}
            return base64.b64decode(data[ref.key], validate=True).decode("utf-8").strip()
        except Gone:
            raise SecretUnreadable(f"there is no {place}") from None
        except KeyError:
            raise SecretUnreadable(f"{place} has no key {ref.key}") from None
        except (binascii.Error, UnicodeDecodeError):
            raise SecretUnreadable(f"key {ref.key} of {place} is no text") from None
        except Forbidden as error:
            message = f"the operator may not read {place}: grant it `get` on that Secret"
            raise SecretUnreadable(message) from error

    async def _request(
        self,
        method: str,
        path: str,
        body: Json | str | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Json:
        with _reached():
            async with self._slots:
                with nullcontext() if method == "GET" else self._guard():
                    begun, status = time.monotonic(), None
                    try:
                        response = await self._send(
                            method, path, body, content_type, query, _TIMEOUT
                        )
                        raw = await response.read()
                        status = response.status
                    finally:
                        self._seen(method, status, time.monotonic() - begun)
        if response.status == 401:
            await self._log_in_again()
        return _answer(response.status, response.headers, raw)

    async def _send(
        self,
        method: str,
        path: str,
        body: Json | str | None,
        content_type: str,
        query: Mapping[str, str] | None,
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        # The client walks through a body to turn models into JSON: ours is JSON already.
        method, url, headers, _, post = await self._client.param_serialize(
            method,
            path,
            query_params=dict(query or {}),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        return await self._client.call_api(
            method, url, headers, body, post, _request_timeout=timeout
        )

    async def _log_in_again(self) -> None:
        """Tokens of files and plugins end: read them again for the next call."""
        try:
            await _log_in(self._client.configuration)
        except (config.ConfigException, OSError) as error:
            log.warning("login_failed", error=type(error).__name__)


@contextmanager
def _reached() -> Iterator[None]:
    """What it means that no answer came."""
    try:
        yield
    except TimeoutError as error:
        raise ApiUnavailable("the Kubernetes API did not answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        message = f"the Kubernetes API is unreachable ({type(error).__name__})"
        raise ApiUnavailable(message) from error


def as_yaml(body: Json) -> str:
    """JSON that is YAML too. The client's own JSON has a character beyond 16 bits as two escapes,
    and Go's YAML refuses each of them: a status that repeats such a text could never be written.
    """
    text = orjson.dumps(body).decode()
    return _NOT_PLAIN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _proxy(host: str) -> str | None:
    """The proxy that the environment names for the API server, if any."""
    parts = urlsplit(host)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


async def _log_in(configuration: Configuration) -> None:
    in_cluster: Callable[..., None] = config.load_incluster_config
    from_file: Callable[..., Awaitable[Any]] = config.load_kube_config
    try:
        in_cluster(client_configuration=configuration)
    except config.ConfigException:
        await from_file(client_configuration=configuration, persist_config=False)


def _answer(status: int, headers: Mapping[str, str], raw: bytes) -> Json:
    try:
        body = orjson.loads(raw) if raw else {}
    except ValueError:
        body = {}
    if 200 <= status < 300 and isinstance(body, dict):
        return body
    message = body.get("message", "") if isinstance(body, dict) else ""
    match status:
        case 404:
            raise Gone(message)
        case 409:
            raise Stale(message)
        case 403:
            raise Forbidden(f"the Kubernetes API forbids it: {message}")
        case 400 | 422:
            raise Invalid(f"the Kubernetes API answered {status}: {message or 'no reason given'}")
        case _:
            said = f"the Kubernetes API answered {status}: {message or 'no reason given'}"
            raise ApiUnavailable(said, retry_after=_seconds(headers.get("Retry-After")))


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdigit() else None
