"""The memory engine behind a port, so that an operator in its own process can work on it while the
test looks into it, breaks the way there, and kills the operator.

Not an adapter of the product: the engine behind it passes the contract suite, and what lies between
is pickled arguments. Reads and writes are told apart by their path, as the proxy needs it.
"""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import httpx
from aiohttp import web

from support.loops import LoopThread
from vectorplane import errors
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane_operator.connection import Connection

_READS = (
    "info",
    "listing",
    "describe",
    "survey",
    "tally",
    "metadata",
    "retrieve",
    "scroll",
    "count",
    "search",
    "groups",
    "facet",
    "names",
    "resolve",
    "peek",
)
_WRITES = (
    "create",
    "update",
    "add_vector",
    "write_record",
    "create_index",
    "drop_index",
    "change_aliases",
    "drop",
    "hold",
    "release",
    "take_snapshot",
    "drop_snapshot",
    "restore_snapshot",
    "upsert",
    "delete",
    "change_payload",
)


class StoreServer:
    """Serves one `MemoryStore`; asks for a key where it has one."""

    def __init__(self, thread: LoopThread) -> None:
        self.store = MemoryStore()
        self.api_key: str | None = None
        self._thread = thread
        self._runner: web.AppRunner | None = None
        self.url = ""

    def start(self) -> None:
        self._thread.run(self._start())

    def stop(self) -> None:
        if self._runner:
            self._thread.run(self._runner.cleanup())

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/{kind:read|write}/{method}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.Response:
        if self.api_key and request.headers.get("api-key") != self.api_key:
            return web.Response(status=401)
        method = request.match_info["method"]
        assert method in (_READS if request.match_info["kind"] == "read" else _WRITES)
        arguments, named = pickle.loads(await request.read())
        try:
            given: Any = getattr(self.store, method)(*arguments, **named)
            given = await given if asyncio.iscoroutine(given) else given
        except errors.VectorplaneError as error:
            given = (type(error).__name__, error.message)
            return web.Response(body=pickle.dumps(given), status=400)
        return web.Response(body=pickle.dumps(given))


class RemoteAdmin:
    """`VectorAdmin` and `VectorPoints` over a `StoreServer`."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        headers = {"api-key": api_key} if api_key else {}
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=timeout, trust_env=False
        )

    def __getattr__(self, method: str) -> Any:
        if method not in (*_READS, *_WRITES):
            raise AttributeError(method)

        async def call(*arguments: object, **named: object) -> Any:
            return await self._call(method, (arguments, named))

        return call

    @property
    def points(self) -> RemoteAdmin:
        return self

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, arguments: object) -> Any:
        path = f"/{'read' if method in _READS else 'write'}/{method}"
        try:
            answer = await self._http.post(path, content=pickle.dumps(arguments))
        except httpx.TimeoutException as error:
            raise errors.StoreTimeout("the store did not answer in time") from error
        except httpx.HTTPError as error:
            raise errors.StoreUnreachable("the store is unreachable") from error
        match answer.status_code:
            case 200:
                return pickle.loads(answer.content)
            case 400:
                name, message = pickle.loads(answer.content)
                raise getattr(errors, name)(message)
            case 401 | 403:
                raise errors.StoreUnauthorized("the store refuses the key")
            case 429 | 503:
                later = answer.headers.get("retry-after")
                raise errors.StoreOverloaded(
                    "the store has too much to do",
                    retry_after=None if later is None else float(later),
                )
            case status:
                raise errors.StoreFailed(f"the store answered {status}")


def connect(connection: Connection) -> RemoteAdmin:
    qdrant = connection.spec.qdrant
    return RemoteAdmin(qdrant.url, connection.api_key, float(qdrant.timeout_seconds))
