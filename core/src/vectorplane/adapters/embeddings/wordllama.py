"""Text to vectors with wordllama: static embeddings of 256 dimensions, or of its first 64 or 128,
whose weights are in the wheel.

Only the wheel's two files are used, never its code: importing `wordllama` configures logging for
the whole process, and its loader looks for the tokenizer where the wheel does not put it and then
downloads one. What its code would do is the mean of the vectors of a text's tokens. So this never
goes to the network, and loads in a quarter of the time.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vectorplane.errors import StoreRejected

DIMENSIONS = 256
SIZES = (64, 128, DIMENSIONS)
"""The sizes that the model was trained for; a smaller one is the beginning of the largest."""
CHUNK = 256
"""Texts in one call: long enough to be fast, short enough to let others run in between."""
WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")


class WordLlamaEmbedder:
    """`Embedder`. The model is loaded once, at the first call, in a thread. Raises `StoreRejected`
    for a size that is none of `SIZES`.
    """

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        if dimensions not in SIZES:
            known = ", ".join(map(str, SIZES))
            raise StoreRejected(f"wordllama gives vectors of size {known}, not {dimensions}")
        self._dimensions = dimensions
        self._model: _Model | None = None
        self._loading = threading.Lock()

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for start in range(0, len(texts), CHUNK):
            vectors += await asyncio.to_thread(self._embed, list(texts[start : start + CHUNK]))
        return vectors

    def _embed(self, texts: list[str]) -> list[list[float]]:
        with self._loading:
            if self._model is None:
                self._model = _Model(_folder(), self._dimensions)
        return self._model.embed(texts)


class _Model:
    """The two files, read: a tokenizer and a vector for each token."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        self._dimensions = dimensions
        try:
            import numpy
            from safetensors import safe_open
            from tokenizers import Tokenizer

            self._numpy = numpy
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            with safe_open(folder / WEIGHTS, framework="np") as file:
                weights: Any = file.get_tensor("embedding.weight")
                self._weights = numpy.ascontiguousarray(weights[:, :dimensions])
        except Exception as error:  # safetensors and tokenizers raise errors of their own making
            raise StoreRejected(f"the embedder's files cannot be read: {error}") from error

    def embed(self, texts: list[str]) -> list[list[float]]:
        np = self._numpy
        vectors = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        for row, tokens in zip(vectors, encoded, strict=True):
            if tokens.ids:  # the vector of an empty text stays zero
                ids = np.clip(tokens.ids, 0, len(self._weights) - 1)
                mean = self._weights[ids].mean(axis=0, dtype=np.float32)
                row[:] = mean / (np.linalg.norm(mean) or 1.0)
        listed: list[list[float]] = vectors.tolist()
        return listed


def _folder() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise StoreRejected("the local embedder needs wordllama: install the extra `embeddings`")
    return Path(spec.origin).parent
