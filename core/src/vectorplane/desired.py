"""From a resource as people write it to what the plan needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from vectorplane.domain.model import (
    AdoptionPolicy,
    DeletionPolicy,
    Desired,
    Index,
    Path,
    Rival,
    Value,
)
from vectorplane.domain.policy import Claim
from vectorplane.errors import Stalled
from vectorplane.ports.resources import PAUSED, Resource
from vectorplane.spec import VectorCollectionSpec

_SETTINGS = (
    "hnsw",
    "quantization",
    "sharding",
    "replication",
    "optimizers",
    "wal",
    "onDiskPayload",
    "strictMode",
)
_LISTS = ("vectors", "sparseVectors")


class InvalidSpec(Stalled):
    """A spec that these models refuse: stored before the CRD was as it is now."""

    reason = "InvalidSpec"


def desired_of(resource: Resource, cluster: str, rivals: tuple[Rival, ...] = ()) -> Desired:
    """The wish that a resource stands for. Raises `InvalidSpec`, unless it is being deleted:
    what goes needs its policy only.
    """
    try:
        spec = VectorCollectionSpec.model_validate(dict(resource.spec))
    except ValidationError as error:
        if resource.deleting:
            return bare_of(resource, cluster)
        first = error.errors()[0]
        place = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidSpec(f"{place}: {first['msg']}") from error
    declared = spec.model_dump(by_alias=True, exclude_none=True)
    return Desired(
        key=resource.key,
        uid=resource.uid,
        cluster=cluster,
        generation=resource.generation,
        settings=dict(settings_of(declared)),
        indexes={i["field"]: _index(i) for i in declared["payloadIndexes"]},
        aliases=aliases_of(resource),
        embedding=tuple(sorted(declared.get("embedding", {}).items())),
        deletion_policy=DeletionPolicy(spec.deletion_policy),
        adoption_policy=AdoptionPolicy(spec.adoption_policy),
        deleting=resource.deleting,
        paused=resource.says(PAUSED),
        rivals=rivals,
        hint=_hint(resource),
    )


def bare_of(resource: Resource, cluster: str) -> Desired:
    """A wish without a spec: enough to delete by, and to say what is wrong."""
    try:
        policy = DeletionPolicy(resource.spec.get("deletionPolicy", DeletionPolicy.RETAIN))
    except ValueError:
        policy = DeletionPolicy.RETAIN
    return Desired(
        key=resource.key,
        uid=resource.uid,
        cluster=cluster,
        generation=resource.generation,
        deletion_policy=policy,
        deleting=resource.deleting,
        paused=resource.says(PAUSED),
        hint=_hint(resource),
    )


def claim_of(resource: Resource) -> Claim:
    """The names that a resource claims, for the rule "the oldest wins"."""
    names = aliases_of(resource) | {resource.key.collection}
    return Claim(resource.key, resource.uid, resource.created, names)


def aliases_of(resource: Resource) -> frozenset[str]:
    """The further names, full; its own name is not among them even where it is declared."""
    declared = resource.spec.get("aliases") or ()
    full = frozenset(f"{resource.key.namespace}.{alias}" for alias in declared)
    return full - {resource.key.collection}


def settings_of(declared: Mapping[str, Any]) -> Iterator[tuple[Path, Value]]:
    """A spec's settings, flat: nested objects become paths, and lists by name become names."""
    for group in _SETTINGS:
        if group in declared:
            yield from _flat((group,), declared[group])
    for group in _LISTS:
        for entry in declared.get(group, ()):
            fields = {k: v for k, v in entry.items() if k != "name"}
            yield from _flat((group, entry["name"]), fields)


def _flat(path: Path, value: Any) -> Iterator[tuple[Path, Value]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat((*path, key), inner)
    else:
        yield path, value


def _index(declared: Mapping[str, Any]) -> Index:
    params = sorted((k, v) for k, v in declared.items() if k not in ("field", "type"))
    return Index(declared["field"], declared["type"], tuple(params))


def _hint(resource: Resource) -> str | None:
    collection = resource.status.get("collection") or {}
    return collection.get("physical")
