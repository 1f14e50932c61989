"""An upstream that says what it was asked: what a gateway made of a request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from support.loops import loop_thread


@contextmanager
def echo() -> Iterator[str]:
    """Its URL."""
    with loop_thread() as thread:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", _said)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        thread.run(_serve(runner))
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            thread.run(runner.cleanup())


async def _serve(runner: web.AppRunner) -> None:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()


async def _said(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path.partition("?")[0],
            "query": request.query_string,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "length": len(await request.read()),
        }
    )
