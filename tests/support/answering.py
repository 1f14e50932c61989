"""A server over HTTP whose answers a test makes up: for what a real one does not do on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

KEY = "s3cr3t-key"
"""Stands in the URL, where none may repeat it."""
Answer = Callable[[str, str], tuple[int, Any, dict[str, str]]]


@asynccontextmanager
async def answering(answer: Answer | None) -> AsyncIterator[str]:
    """A server that gives what `answer` says of method and path; with None it never answers."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split("\r\n")[0].split(" ", 2)
                length = [
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ]
                await reader.readexactly(length[0] if length else 0)
                if answer is None:
                    await asyncio.sleep(3600)
                    return
                status, body, headers = answer(method, path)
                if status == 0:
                    return
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                lines = [f"HTTP/1.1 {status} X", f"content-length: {len(data)}"]
                lines += [f"{k}: {v}" for k, v in headers.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://user:{KEY}@127.0.0.1:{port}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
