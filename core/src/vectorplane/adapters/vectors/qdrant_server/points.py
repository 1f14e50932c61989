"""Points of a Qdrant server by itself: over REST, and where a gRPC port is given, upserts over
gRPC."""

from __future__ import annotations

import vectorplane
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.adapters.vectors.qdrant_server.checked import CheckedPoints
from vectorplane.adapters.vectors.qdrant_server.transport import RestTransport, Upserter
from vectorplane.adapters.vectors.qdrant_server.wire import Wire


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
        agent = f"vectorplane/{vectorplane.__version__}"
        wire = Wire(url, api_key, timeout, verify, agent)
        upserts = _upserts(url, api_key, grpc_port, timeout, verify)
        super().__init__(self._admin, RestTransport(wire, upserts))

    async def close(self) -> None:
        await super().close()
        await self._admin.close()


def _upserts(
    url: str, api_key: str | None, grpc_port: int | None, timeout: float, verify: bool | str
) -> Upserter | None:
    insecure_tls = url.startswith("https") and verify is False
    if grpc_port is None or insecure_tls:  # gRPC cannot skip the check of a certificate
        return None
    from vectorplane.adapters.vectors.qdrant_server.grpc_upserts import GrpcUpserts

    return GrpcUpserts(url, api_key, grpc_port, timeout, verify)
