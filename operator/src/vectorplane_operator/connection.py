"""How a store is reached: from a VectorStore's spec and the Secrets it names to a client.

The composition root is handed a `Connect`, so a test can run the whole operator on another engine.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.errors import SecretUnreadable
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.spec_store import VectorStoreSpec
from vectorplane_operator.kube import Api


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a client is made of. Two equal ones need only one client."""

    spec: VectorStoreSpec
    api_key: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)
    """A PEM bundle."""


Connect = Callable[[Connection], VectorAdmin]


async def read_connection(spec: VectorStoreSpec, api: Api) -> Connection:
    """The spec with its Secrets as they are now. Raises `SecretUnreadable`."""
    key_ref = spec.qdrant.api_key_secret_ref
    ca_ref = spec.qdrant.tls.ca_secret_ref if spec.qdrant.tls else None
    return Connection(
        spec,
        api_key=await api.secret(key_ref) if key_ref else None,
        ca=await api.secret(ca_ref) if ca_ref else None,
    )


def connect_qdrant(connection: Connection) -> VectorAdmin:
    """A client of a Qdrant server; it connects when it is first used."""
    qdrant = connection.spec.qdrant
    return QdrantAdmin(
        qdrant.url,
        api_key=connection.api_key,
        timeout=float(qdrant.timeout_seconds),
        verify=_verify(connection),
        snapshots_path=qdrant.snapshots_path,
    )


def _verify(connection: Connection) -> bool | ssl.SSLContext:
    tls = connection.spec.qdrant.tls
    if connection.ca is not None:
        try:
            return ssl.create_default_context(cadata=connection.ca)
        except ssl.SSLError:
            ref = tls.ca_secret_ref if tls else None
            place = f"{ref.namespace}/{ref.name}" if ref else "?"
            message = f"Secret {place} holds no PEM bundle of certificates"
            raise SecretUnreadable(message) from None
    return not (tls and tls.insecure_skip_verify)
