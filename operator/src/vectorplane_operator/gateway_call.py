"""The request that verifies an endpoint: what a client would send, and nothing of the answer is
kept but what it says of the way."""

from __future__ import annotations

import httpx

from vectorplane import __version__
from vectorplane.exposure.verifying import Answer


class GatewayCall:
    """Asks the gateway at `url` for the head of a path."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=timeout,
            trust_env=False,
            headers={"user-agent": f"vectorplane-operator/{__version__}"},
        )

    async def __call__(self, path: str, secret: str) -> Answer:
        try:
            answer = await self._http.head(path, headers={"x-api-key": secret})
        except httpx.HTTPError as error:
            return Answer(0, error=type(error).__name__)
        kind = answer.headers.get("content-type", "")
        return Answer(answer.status_code, problem=kind.startswith("application/problem+json"))

    async def close(self) -> None:
        await self._http.aclose()
