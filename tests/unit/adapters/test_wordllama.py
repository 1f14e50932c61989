"""The local embedder: from the wheel alone, without its code, its network or its logging."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("wordllama")

from vectorplane.adapters.embeddings import wordllama as module
from vectorplane.adapters.embeddings.child import ChildEmbedder, ChildEmbedders
from vectorplane.adapters.embeddings.wordllama import WordLlamaEmbedder
from vectorplane.errors import StoreRejected

pytestmark = pytest.mark.anyio
SENTENCES = [
    "a fast web framework",
    "asyncio web server",
    "gardening with roses",
    "☃ snow",
    "x" * 5000,
]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_sentences_become_unit_vectors() -> None:
    embedder = WordLlamaEmbedder()
    assert embedder.dimensions == 256
    vectors = await embedder.embed(SENTENCES)
    assert [len(v) for v in vectors] == [256] * len(SENTENCES)
    assert [math.hypot(*v) for v in vectors] == pytest.approx([1.0] * len(SENTENCES), abs=1e-5)
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2])
    assert await embedder.embed(SENTENCES) == vectors


async def test_no_text_is_no_vector() -> None:
    embedder = WordLlamaEmbedder()
    assert await embedder.embed([]) == []
    [empty, full] = await embedder.embed(["", "word"])
    assert empty == [0.0] * 256
    assert math.hypot(*full) == pytest.approx(1.0, abs=1e-5)


async def test_many_texts_keep_their_order() -> None:
    embedder = WordLlamaEmbedder()
    texts = [f"text number {i}" for i in range(600)]
    together = await embedder.embed(texts)
    [alone] = await embedder.embed([texts[599]])
    assert together[599] == pytest.approx(alone, abs=1e-6)
    assert len(together) == 600


def test_agrees_with_the_library_and_leaves_logging_alone() -> None:
    code = f"""
import asyncio, logging, socket, sys
def refuse(*args, **kwargs): raise AssertionError("network")
socket.socket.connect = refuse
from vectorplane.adapters.embeddings.wordllama import WordLlamaEmbedder
texts = {SENTENCES!r}
ours = asyncio.run(WordLlamaEmbedder().embed(texts))
assert logging.getLogger().handlers == [] and "wordllama" not in sys.modules
import pathlib, numpy, wordllama
folder = pathlib.Path(wordllama.__file__).parent
model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
assert abs(model.embed(texts, norm=True) - numpy.array(ours)).max() < 1e-5
"""
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_missing_files_are_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_folder", lambda: tmp_path)
    with pytest.raises(StoreRejected, match="cannot be read"):
        await WordLlamaEmbedder().embed(["a"])


async def test_a_missing_wheel_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StoreRejected, match="extra"):
        await WordLlamaEmbedder().embed(["a"])


async def test_a_smaller_size_is_the_beginning_of_the_largest() -> None:
    [large] = await WordLlamaEmbedder().embed(["red running shoes"])
    for size in (64, 128):
        embedder = WordLlamaEmbedder(size)
        assert embedder.dimensions == size
        [small] = await embedder.embed(["red running shoes"])
        length = math.hypot(*large[:size])
        assert small == pytest.approx([x / length for x in large[:size]], abs=1e-6)
    with pytest.raises(StoreRejected, match="64, 128, 256, not 100"):
        WordLlamaEmbedder(100)


async def test_a_child_embeds_the_same_and_ends_when_nobody_asks() -> None:
    child = ChildEmbedder("wordllama", 64, idle=0.1)
    assert await child.embed([]) == []
    assert child.pid is None, "nothing was asked, so nothing was loaded"
    together = await asyncio.gather(*(child.embed([text]) for text in SENTENCES))
    right = await WordLlamaEmbedder(64).embed(SENTENCES)
    for [vector], expected in zip(together, right, strict=True):
        assert vector == pytest.approx(expected, abs=1e-6)
    while child.pid is not None:
        await asyncio.sleep(0.02)
    assert await child.embed(SENTENCES[:1]) == together[0]
    await child.close()


async def test_a_child_says_what_is_wrong_and_one_that_was_killed_is_replaced() -> None:
    children = ChildEmbedders()
    with pytest.raises(StoreRejected, match="not 100"):
        await children("wordllama", 100).embed(["a"])
    child = children("wordllama", 64)
    assert isinstance(child, ChildEmbedder)
    assert children("wordllama", 64) is child
    before = await child.embed(["a word"])
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(StoreRejected, match="ended by itself"):
        await child.embed(["a word"])
    assert await child.embed(["a word"]) == before
    await children.close()
    assert child.pid is None
