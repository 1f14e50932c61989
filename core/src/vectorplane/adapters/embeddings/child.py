"""An embedder in a process of its own, that ends when nobody has asked it for a while.

The operator embeds in a rebuild only, and a model takes 75 MB: a process that is gone gives them
back. The child reads a line of JSON, a list of texts, and answers with a line, a list of vectors.
It ends with its standard input, so it outlives no parent.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress

from vectorplane.errors import StoreRejected, VectorplaneError
from vectorplane.ports.embeddings import Embedder

IDLE_SECONDS = 15.0
MAX_LINE = 2**28


class ChildEmbedder:
    """`Embedder`. `model` and `dimensions` as `wordllama` has them."""

    def __init__(self, model: str, dimensions: int, idle: float = IDLE_SECONDS) -> None:
        self._model = model
        self._dimensions = dimensions
        self._idle = idle
        self._one = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def pid(self) -> int | None:
        """Of the child, where one runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        if not texts:
            return []
        async with self._one:
            if self._end:
                self._end.cancel()
            try:
                return await self._ask(texts)
            except asyncio.CancelledError:
                self._stop()  # its answer would be taken for that of the next question
                raise
            finally:
                self._end = asyncio.get_running_loop().call_later(self._idle, self._stop)

    async def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        if self.pid is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __spec__.name, self._model, str(self._dimensions)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=MAX_LINE,
            )
        process = self._process
        assert process
        assert process.stdin
        assert process.stdout
        line = b""
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(json.dumps(list(texts)).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        if not line:
            code = await process.wait()
            raise StoreRejected(f"the embedder {self._model} ended by itself (exit code {code})")
        answer = json.loads(line)
        if isinstance(answer, str):
            raise StoreRejected(answer)
        vectors: list[list[float]] = answer
        return vectors

    async def close(self) -> None:
        """End the child, and wait for that."""
        process = self._process
        if self._end:
            self._end.cancel()
        self._stop()
        if process:
            await process.wait()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()


class ChildEmbedders:
    """`Embedders`: one child for each model and size that is asked for."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], ChildEmbedder] = {}

    def __call__(self, model: str, dimensions: int) -> Embedder:
        return self._made.setdefault((model, dimensions), ChildEmbedder(model, dimensions))

    async def close(self) -> None:
        for child in self._made.values():
            await child.close()


def main(model: str, dimensions: int) -> None:
    """The child's life."""
    from vectorplane.adapters.embeddings.wordllama import WordLlamaEmbedder

    embedder: Embedder | None = None
    for line in sys.stdin:
        answer: object
        try:
            embedder = embedder or {"wordllama": WordLlamaEmbedder}[model](dimensions)
            answer = asyncio.run(embedder.embed(json.loads(line)))
        except VectorplaneError as error:
            answer = error.message
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
