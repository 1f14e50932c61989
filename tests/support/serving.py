"""The service in one process, over a store in memory, for tests of what it says over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from support.redis import PATIENCE
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.domain.model import Owner, Record, Settings
from vectorplane.ports.embeddings import Embedder
from vectorplane.ports.vectors import VectorPoints
from vectorplane_service.app import create_app
from vectorplane_service.settings import ServiceSettings

KEYS = "all:all-secret:admin,reader:reader-secret:read:shop.*,writer:writer-secret:write:shop.*"
ALL = {"X-API-Key": "all-secret"}
READER = {"X-API-Key": "reader-secret"}
WRITER = {"X-API-Key": "writer-secret"}
API = "/api/v1"
PRODUCTS = f"{API}/collections/shop.products"
TEXTS = f"{API}/collections/shop.texts"
SIZE: Settings = {("vectors", "", "size"): 4, ("vectors", "", "distance"): "Cosine"}
EMBEDDING = (("model", "words"), ("provider", "test"))


class WordEmbedder:
    """Texts to four numbers by their words: equal words, equal numbers. It knows no other size."""

    dimensions = 4

    def __init__(self, size: int) -> None:
        self.asked = size

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [_numbers(text) for text in texts]


def _numbers(text: str) -> list[float]:
    numbers = [0.001] * 4
    for word in text.lower().split():
        for i, byte in enumerate(hashlib.sha256(word.encode()).digest()[:4]):
            numbers[i] += byte / 255
    return numbers


async def add_collection(
    store: MemoryStore,
    name: str,
    settings: Settings = SIZE,
    *,
    embedding: tuple[tuple[str, str], ...] = (),
    tenancy: str = "Dedicated",
) -> None:
    """A collection as the operator makes it: owned, under its physical name, with its alias."""
    namespace, _, base = name.partition(".")
    record = Record(
        Owner(f"uid-{name}", namespace, base, "test"), embedding=embedding, tenancy=tenancy
    )
    await store.create(f"{name}_1", settings, record)
    await store.change_aliases({name: f"{name}_1"}, frozenset())


async def filled_store() -> MemoryStore:
    store = MemoryStore()
    await add_collection(store, "shop.products")
    await add_collection(store, "shop.texts", embedding=EMBEDDING)
    await add_collection(store, "other.secrets")
    return store


def settings(**changes: Any) -> ServiceSettings:
    return ServiceSettings(**{"api_keys": KEYS, "redis_timeout_seconds": PATIENCE, **changes})


@asynccontextmanager
async def running(
    app: FastAPI, headers: Mapping[str, str] = ALL
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://service", headers=dict(headers)
        ) as client,
    ):
        yield client


@asynccontextmanager
async def serving(
    store: VectorPoints | None = None,
    *,
    headers: Mapping[str, str] = ALL,
    embedders: Mapping[tuple[str, str], type[Embedder]] | None = None,
    **changes: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running service. `changes` are settings."""
    app = create_app(
        settings(**changes),
        points=await filled_store() if store is None else store,
        embedders={("test", "words"): WordEmbedder} if embedders is None else embedders,
    )
    async with running(app, headers) as client:
        yield client


def place(answer: httpx.Response) -> str:
    """The place of the first mistake that an answer names."""
    return str(answer.json()["errors"][0]["place"])
