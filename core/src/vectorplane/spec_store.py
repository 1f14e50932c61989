"""The VectorStore as the platform team writes it: where collections live, and what is allowed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from vectorplane.spec_base import ObjectName, Part


class SecretKeyRef(Part):
    """One key of a Secret."""

    namespace: ObjectName
    """The Secret's namespace."""
    name: ObjectName
    """The Secret."""
    key: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    """The key in it."""


class Tls(Part):
    """How the store's certificate is checked."""

    ca_secret_ref: SecretKeyRef | None = None
    """A PEM bundle of the CAs to trust, instead of the system's."""
    insecure_skip_verify: bool = False
    """Check nothing. For trials only."""


class Qdrant(Part):
    """Where a Qdrant is, and how to speak with it."""

    url: Annotated[
        str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[!-?A-~]+$")
    ]
    """Its REST address, e.g. `http://qdrant.qdrant.svc:6333`; without a user or key in it."""
    api_key_secret_ref: SecretKeyRef | None = None
    """Its API key."""
    tls: Tls | None = None
    """How its certificate is checked."""
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 10
    """Seconds that one call may take."""


class VectorStoreSpec(Part):
    """Where collections live. The platform team's."""

    qdrant: Qdrant
    """The Qdrant behind it."""
    default: bool = False
    """Whether collections that name no store live here; the oldest one where several say so."""
