"""What `vectorplane plan` plans against: the data folder, a Qdrant server, or a cluster.

Of a cluster, kubectl tells what is there, for it knows how to reach it and who asks; this package
must not know Kubernetes. The collection itself is looked at in Qdrant.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.model import Key
from vectorplane.errors import InvalidInput, Stalled, StoreMissing
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import VectorAdmin
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.records import ResourceFiles, Wish

COLLECTIONS = "vectorcollections.vectorplane.dev"
STORES = "vectorstores.vectorplane.dev"


class KubectlFailed(Stalled):
    """kubectl is not there, or says no."""

    reason = "KubectlFailed"


class NeedsQdrant(Stalled):
    """The library that speaks with a Qdrant server is not installed."""

    reason = "NeedsQdrant"


@dataclass(frozen=True, slots=True)
class Target:
    store: VectorAdmin
    known: Sequence[Resource]
    cluster: str | None
    """None where only the records in the store say whose a collection is."""


@asynccontextmanager
async def target(
    data: DataFolder, wishes: Sequence[Wish], qdrant_url: str | None, cluster: bool
) -> AsyncIterator[Target]:
    """What was asked for; its store is closed at the end."""
    if cluster:
        chosen = _of_cluster(wishes, qdrant_url)
    elif qdrant_url:
        chosen = Target(_qdrant(qdrant_url, os.environ.get("QDRANT_API_KEY") or None), (), None)
    else:
        chosen = _of_folder(data)
    try:
        yield chosen
    finally:
        await chosen.store.close()


def _of_folder(data: DataFolder) -> Target:
    from vectorplane_service.local.stores import observer

    files = ResourceFiles(data)
    known = [stored.resource for key in files.keys() if (stored := files.read(key))]
    return Target(observer(data.engine), known, data.known_identity() or "new")


def _of_cluster(wishes: Sequence[Wish], url: str | None) -> Target:
    names = {wish.spec.get("store") for wish in wishes}
    if len(names) > 1:
        raise InvalidInput("the manifests name several stores: plan those of one store at a time")
    store = _store(next(iter(names), None))
    spec = store["spec"]["qdrant"]
    namespaces = sorted({wish.key.namespace for wish in wishes})
    known = [_resource(item) for space in namespaces for item in _items(COLLECTIONS, "-n", space)]
    key = os.environ.get("QDRANT_API_KEY") or _secret(spec.get("apiKeySecretRef"))
    return Target(_qdrant(url or spec["url"], key), known, None)


def _qdrant(url: str, key: str | None) -> VectorAdmin:
    try:
        from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
    except ModuleNotFoundError as error:
        raise NeedsQdrant(
            "to plan against a Qdrant server needs the extra qdrant: "
            f"pip install 'vectorplane[qdrant]' (there is no module {error.name})"
        ) from error
    return QdrantAdmin(url, api_key=key)


def _store(name: str | None) -> dict[str, Any]:
    """The store of a name, or the oldest default one."""
    stores = sorted(_items(STORES), key=lambda s: s["metadata"]["creationTimestamp"])
    for store in stores:
        if store["metadata"]["name"] == name or (name is None and store["spec"].get("default")):
            return dict(store)
    raise StoreMissing(f"there is no VectorStore {name}" if name else "no VectorStore is default")


def _secret(reference: dict[str, str] | None) -> str | None:
    if reference is None:
        return None
    where = ("-n", reference["namespace"], reference["name"])
    secret = json.loads(_kubectl("get", "secret", *where, "-o", "json"))
    try:
        return base64.b64decode(secret["data"][reference["key"]]).decode()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        place = f"{reference['namespace']}/{reference['name']}"
        raise StoreMissing(f"Secret {place} has no readable key {reference['key']}") from None


def _items(kind: str, *where: str) -> Iterable[dict[str, Any]]:
    found: dict[str, Any] = json.loads(_kubectl("get", kind, *where, "-o", "json"))
    return list(found.get("items", ()))


def _resource(item: dict[str, Any]) -> Resource:
    metadata = item["metadata"]
    return Resource(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        generation=metadata["generation"],
        created=metadata["creationTimestamp"],
        spec=item.get("spec", {}),
        status=item.get("status", {}),
        annotations=metadata.get("annotations", {}),
        finalizers=tuple(metadata.get("finalizers", ())),
        deleting="deletionTimestamp" in metadata,
    )


def _kubectl(*words: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise KubectlFailed("--cluster asks kubectl what is there, and kubectl is not on the PATH")
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        raise KubectlFailed("kubectl did not answer within 30 s") from None
    if done.returncode:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise KubectlFailed(f"kubectl: {' '.join(said.splitlines())}")
    return done.stdout
