"""Points of a Qdrant server by itself: over REST, or over gRPC where a port is given."""

from __future__ import annotations

import vectorplane
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.adapters.vectors.qdrant_server.checked import CheckedPoints
from vectorplane.adapters.vectors.qdrant_server.rest import Rest
from vectorplane.adapters.vectors.qdrant_server.transport import RestTransport, Transport


class QdrantPoints(CheckedPoints):
    """`VectorPoints` of one server. `verify` is True, False, or a file of certificates to trust."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        grpc_port: int | None = None,
        timeout: float = 10.0,
        verify: bool | str = True,
    ) -> None:
        self._admin = QdrantAdmin(url, api_key, timeout, verify)
        super().__init__(self._admin, _transport(url, api_key, grpc_port, timeout, verify))

    async def close(self) -> None:
        await super().close()
        await self._admin.close()


def _transport(
    url: str, api_key: str | None, grpc_port: int | None, timeout: float, verify: bool | str
) -> Transport:
    insecure_tls = url.startswith("https") and verify is False
    if grpc_port is None or insecure_tls:  # gRPC cannot skip the check of a certificate
        agent = f"vectorplane/{vectorplane.__version__}"
        return RestTransport(Rest(url, api_key, timeout, verify, agent=agent))
    from vectorplane.adapters.vectors.qdrant_server.grpc import GrpcTransport

    return GrpcTransport(url, api_key, grpc_port, timeout, verify)
