"""A double of Kong 3.9 on loopback: its Admin API with a database, and its proxy.

As strict as Kong with what we send: the suites of `tests/contract/gateway` run on it and on a real
one. What it lacks is Kong's delay: a change is in effect at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from support.kong import Kong
from support.kong_double_proxy import Proxy
from support.kong_double_store import FOREIGN, NAMES, Entities, Refused, not_found
from support.loops import LoopThread, loop_thread

UNSUPPORTED = 12


class KongDouble:
    """Two servers over the same entities. A test may look into `asked`, and set what follows."""

    def __init__(self, thread: LoopThread) -> None:
        self.entities = Entities()
        self.asked: list[tuple[str, str]] = []
        """Methods and paths of all calls of the Admin API."""
        self.token: tuple[str, str] | None = None
        """A header that the Admin API asks for, and its value."""
        self.failing: tuple[int, dict[str, str]] | None = None
        """A status that every call is answered with, and its headers."""
        self.read_only = False
        """As one without a database."""
        self.answers: Callable[[str], bytes | None] = lambda _path: None
        """Something else than what Kong would say."""
        self._thread = thread
        self._runners: list[web.AppRunner] = []
        self._proxy = Proxy(self.entities)
        self.kong = Kong("", "")

    def start(self) -> None:
        self.kong = Kong(*(self._thread.run(self._serve(on)) for on in (self._admin, self._pass)))

    def stop(self) -> None:
        for runner in self._runners:
            self._thread.run(runner.cleanup())

    async def _serve(self, handler: Callable[[web.Request], Awaitable[web.Response]]) -> str:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _pass(self, request: web.Request) -> web.Response:
        return await self._proxy.answer(request)

    async def _admin(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        if self.token and request.headers.get(self.token[0]) != self.token[1]:
            return web.json_response({"message": "Unauthorized"}, status=401)
        if self.failing:
            status, headers = self.failing
            body = {"message": "An unexpected error occurred"}
            return web.json_response(body, status=status, headers=headers)
        if (said := self.answers(request.path)) is not None:
            return web.Response(body=said, content_type="application/json")
        try:
            status, answer = await self._answered(request)
        except Refused as refused:
            status, answer = refused.status, refused.body
        return (
            web.Response(status=204) if answer is None else web.json_response(answer, status=status)
        )

    async def _answered(self, request: web.Request) -> tuple[int, Any]:
        match request.path.strip("/").split("/"):
            case [kind] if kind in self.entities.kinds:
                return await self._collection(request, kind)
            case [kind, name] if kind in self.entities.kinds:
                return await self._entity(request, kind, name)
            case [parent, name, kind] if kind in self.entities.kinds and request.method == "GET":
                field = next((f for f, of in FOREIGN.items() if of == parent), None)
                if field is None:
                    raise not_found()
                self.entities.get(parent, name)
                return 200, self.entities.page(kind, request.query, (field, name))
        raise not_found()

    async def _collection(self, request: web.Request, kind: str) -> tuple[int, Any]:
        match request.method:
            case "GET":
                return 200, self.entities.page(kind, request.query)
            case "POST":
                body = await _body(request)
                self._writable(kind)
                return 201, self.entities.post(kind, body)
        raise _no_method()

    async def _entity(self, request: web.Request, kind: str, name: str) -> tuple[int, Any]:
        match request.method:
            case "GET":
                return 200, self.entities.get(kind, name)
            case "PUT":
                body = await _body(request)
                self._writable(kind)
                return 200, self.entities.put(kind, name, body)
            case "PATCH":
                body = await _body(request)
                self._writable(kind)
                return 200, self.entities.patch(kind, name, body)
            case "DELETE":
                if name in self.entities.kinds[kind]:
                    self._writable(kind, "remove")
                self.entities.delete(kind, name)
                return 204, None
        raise _no_method()

    def _writable(self, kind: str, what: str = "create or update") -> None:
        if self.read_only:
            of = NAMES.get(kind, kind)
            message = f"cannot {what} '{of}' entities when not using a database"
            body = {"name": "operation unsupported", "code": UNSUPPORTED, "message": message}
            raise Refused(405, body)


async def _body(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise Refused(400, {"message": "Cannot parse JSON body"}) from error


def _no_method() -> Refused:
    return Refused(405, {"message": "Method not allowed"})


@contextmanager
def kong_double() -> Iterator[KongDouble]:
    with loop_thread() as thread:
        double = KongDouble(thread)
        double.start()
        try:
            yield double
        finally:
            double.stop()
