"""What `vectorplane plan` plans against: the data folder, a Qdrant server, or a cluster.

Of a cluster, kubectl tells what is there. The collection itself is looked at in Qdrant.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from vectorplane import store_rules
from vectorplane.domain.model import PARTITION
from vectorplane.errors import InvalidInput, Stalled, StoreMissing
from vectorplane.ports.resources import Resource
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.spec_store import VectorStoreSpec
from vectorplane_service.local.data import DataFolder
from vectorplane_service.local.kubectl import COLLECTIONS, STORES, Kubectl, KubectlFailed
from vectorplane_service.local.records import ResourceFiles, Wish

__all__ = ["COLLECTIONS", "STORES", "KubectlFailed", "NeedsQdrant", "Target", "target"]


class NeedsQdrant(Stalled):
    """The library that speaks with a Qdrant server is not installed."""

    reason = "NeedsQdrant"


def _as_it_is(resource: Resource) -> Resource:
    return resource


@dataclass(frozen=True, slots=True)
class Target:
    store: VectorAdmin
    known: Sequence[Resource]
    cluster: str | None
    """None where only the records in the store say whose a collection is."""
    admit: Callable[[Resource], Resource] = _as_it_is
    """A resource as the store takes it; see `Stores.admit`."""
    likely: str = "new"
    """The cluster, where the records do not say."""


@asynccontextmanager
async def target(
    data: DataFolder,
    wishes: Sequence[Wish],
    qdrant_url: str | None,
    cluster: bool,
    kubectl: Kubectl | None = None,
) -> AsyncIterator[Target]:
    """What was asked for; its store is closed at the end."""
    if cluster:
        chosen = _of_cluster(kubectl or Kubectl(), wishes, qdrant_url)
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
    return Target(observer(data.engine), files.all(), data.known_identity() or "new")


def _of_cluster(kubectl: Kubectl, wishes: Sequence[Wish], url: str | None) -> Target:
    if len({wish.spec.get("store") for wish in wishes}) > 1:
        raise InvalidInput("the manifests name several stores: plan those of one store at a time")
    namespaces = sorted({wish.key.namespace for wish in wishes})
    known = [found for space in namespaces for found in kubectl.resources("-n", space)]
    live = {resource.key: resource for resource in known}
    names = {_home(live.get(wish.key)) or wish.spec.get("store") for wish in wishes}
    if len(names) > 1:
        raise InvalidInput("the collections live in several stores: plan one store at a time")
    store, default = _store(kubectl, next(iter(names), None))
    spec = store["spec"]["qdrant"]
    key = os.environ.get("QDRANT_API_KEY") or kubectl.secret(spec.get("apiKeySecretRef"))
    tls = _tls(kubectl, spec.get("tls") or {})
    admin = _qdrant(url or spec["url"], key, *([] if tls is None else [tls]))
    tenants = any((w.spec.get("tenancy") or {}).get("mode") == PARTITION for w in wishes)
    return Target(
        admin,
        known,
        None,
        _admission(kubectl, store, default),
        _uid(kubectl) if tenants else "new",
    )


def _home(live: Resource | None) -> str | None:
    """The store that a resource lives in already: it stays there."""
    found: str | None = None
    if live and live.status.get("collection"):
        found = live.status.get("store")
    return found


def _qdrant(url: str, key: str | None, verify: bool | ssl.SSLContext = True) -> VectorAdmin:
    try:
        from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
    except ModuleNotFoundError as error:
        raise NeedsQdrant(
            "to plan against a Qdrant server needs the extra qdrant: "
            f"pip install 'vectorplane[qdrant]' (there is no module {error.name})"
        ) from error
    return QdrantAdmin(url, api_key=key, verify=verify)


def _tls(kubectl: Kubectl, tls: Mapping[str, Any]) -> bool | ssl.SSLContext | None:
    """How the certificate is checked; None for the usual way."""
    if ca := kubectl.secret(tls.get("caSecretRef")):
        return ssl.create_default_context(cadata=ca)
    return False if tls.get("insecureSkipVerify") else None


def _store(kubectl: Kubectl, name: str | None) -> tuple[dict[str, Any], str | None]:
    """The store of a name, or the oldest default one; and the name of the default one."""
    stores = sorted(kubectl.items(STORES), key=lambda s: s["metadata"]["creationTimestamp"])
    defaults = [s["metadata"]["name"] for s in stores if s["spec"].get("default")]
    default = defaults[0] if defaults else None
    for store in stores:
        if store["metadata"]["name"] == (name or default):
            return dict(store), default
    raise StoreMissing(f"there is no VectorStore {name}" if name else "no VectorStore is default")


def _admission(
    kubectl: Kubectl, store: Mapping[str, Any], default: str | None
) -> Callable[[Resource], Resource]:
    """The store's rules, with what they ask of the cluster."""
    name = store["metadata"]["name"]
    try:
        rules = store_rules.rules_of(name, VectorStoreSpec.model_validate(store["spec"]))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidInput(f"VectorStore {name}: {first['msg']}", place=place) from error

    def wants(resource: Resource) -> bool:
        return bool((_home(resource) or resource.spec.get("store") or default) == name)

    def admit(resource: Resource) -> Resource:
        newcomer = not resource.deleting and not store_rules.lives(resource, name)
        labels: Mapping[str, str] = {}
        counts = store_rules.Counts()
        if newcomer and rules.namespaces is not None:
            labels = kubectl.namespace(resource.key.namespace).get("labels") or {}
        if newcomer and rules.counting:
            everything = kubectl.resources("-A")
            counts = store_rules.counts_before(
                resource, rules, everything, placed=lambda other: False, wants=wants
            )
        return store_rules.admit(resource, rules, labels, counts)

    return admit


def _uid(kubectl: Kubectl) -> str:
    """What an operator calls its cluster, unless it is told another name."""
    try:
        return str(kubectl.namespace("kube-system")["uid"])
    except KubectlFailed:
        return "new"
