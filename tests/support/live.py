"""The service behind a real socket, in a thread of this process: for clients that need an
address."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from support.serving import WordEmbedder, filled_store, settings
from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.app import create_app
from vectorplane_service.local.server import Server, listen, url_of


@contextmanager
def live(
    opened: Callable[[], Awaitable[VectorPoints]] = filled_store, **changes: Any
) -> Iterator[str]:
    """The address of a running service. `opened` makes its store, in the service's own loop;
    `changes` are settings."""
    chosen = settings(**changes)
    app = create_app(chosen, points=opened, embedders={("test", "words"): WordEmbedder})
    with running(app, chosen) as url:
        yield url


@contextmanager
def running(app: FastAPI, chosen: Any) -> Iterator[str]:
    """An application on a free port."""
    server = Server(app, chosen)
    bound = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield url_of(bound)
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()
        assert not thread.is_alive()
