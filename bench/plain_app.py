"""What most people write: FastAPI and qdrant-client, nothing else. The service is measured
beside it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from qdrant_client import AsyncQdrantClient


class Search(BaseModel):
    vector: list[float]
    limit: int = 10


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.client = AsyncQdrantClient(
        url=os.environ["QDRANT_URL"], api_key=os.environ.get("QDRANT_API_KEY")
    )
    yield
    await app.state.client.close()


app = FastAPI(lifespan=lifespan)


@app.get("/")
async def root() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/search")
async def search(request: Request, body: Search) -> dict[str, Any]:
    found = await request.app.state.client.query_points(
        os.environ["COLLECTION"], query=body.vector, limit=body.limit, with_payload=True
    )
    return {"results": [{"id": p.id, "score": p.score, "payload": p.payload} for p in found.points]}
