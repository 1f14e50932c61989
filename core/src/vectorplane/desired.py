"""From a resource as people write it to what the plan needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from vectorplane.domain.model import (
    DEDICATED,
    PARTITION,
    AdoptionPolicy,
    ChangePolicy,
    DeletionPolicy,
    Desired,
    Index,
    Param,
    Path,
    Progress,
    RebuildPolicy,
    Rival,
    SnapshotWish,
    Value,
)
from vectorplane.domain.names import number
from vectorplane.domain.policy import Claim
from vectorplane.domain.tenancy import pool_name
from vectorplane.errors import Stalled
from vectorplane.ports.resources import PAUSED, ROLLBACK, Resource
from vectorplane.schedule import snapshot_wish
from vectorplane.spec import Rebuild, RestoreFrom, Snapshots, VectorCollectionSpec
from vectorplane.spec_base import seconds

_SETTINGS = (
    "hnsw",
    "quantization",
    "sharding",
    "replication",
    "optimizers",
    "wal",
    "onDiskPayload",
    "strictMode",
    "metadata",
)
_LISTS = ("vectors", "sparseVectors")


class InvalidSpec(Stalled):
    """A spec that these models refuse: stored before the CRD was as it is now."""

    reason = "InvalidSpec"


def desired_of(
    resource: Resource, cluster: str, rivals: tuple[Rival, ...] = (), now: str = ""
) -> Desired:
    """The wish that a resource stands for at a time (RFC 3339, UTC). Raises `InvalidSpec`, unless
    it is being deleted: what goes needs its policy only.
    """
    try:
        spec = VectorCollectionSpec.model_validate(dict(resource.spec))
    except ValidationError as error:
        if resource.deleting:
            return bare_of(resource, cluster, now)
        first = error.errors()[0]
        place = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidSpec(f"{place}: {first['msg']}") from error
    declared = spec.model_dump(by_alias=True, exclude_none=True)
    settings = dict(settings_of(declared))
    indexes = {i["field"]: _index(i) for i in declared["payloadIndexes"]}
    embedding = tuple(sorted(declared.get("embedding", {}).items()))
    tenancy = spec.tenancy.mode if spec.tenancy else DEDICATED
    rebuild = spec.rebuild or Rebuild()
    return Desired(
        key=resource.key,
        uid=resource.uid,
        cluster=cluster,
        generation=resource.generation,
        settings=settings,
        indexes=indexes,
        aliases=aliases_of(resource),
        embedding=embedding,
        tenancy=tenancy,
        pool=pool_name(settings, indexes, embedding) if tenancy == PARTITION else None,
        deletion_policy=DeletionPolicy(spec.deletion_policy or DeletionPolicy.RETAIN),
        adoption_policy=AdoptionPolicy(spec.adoption_policy),
        change_policy=ChangePolicy(spec.change_policy),
        rebuild=RebuildPolicy(seconds(rebuild.keep_for), rebuild.points_per_second, rebuild.recall),
        progress=_progress(resource.status.get("rebuild") or {}),
        rollback=resource.says(ROLLBACK),
        snapshot=_snapshot(resource, spec.snapshots, now),
        restore=_restore(resource, spec.restore_from),
        now=now,
        deleting=resource.deleting,
        paused=resource.says(PAUSED),
        rivals=rivals,
        hint=_hint(resource),
    )


def bare_of(resource: Resource, cluster: str, now: str = "") -> Desired:
    """A wish without a spec: enough to delete by, and to say what is wrong."""
    try:
        policy = DeletionPolicy(resource.spec.get("deletionPolicy") or DeletionPolicy.RETAIN)
    except ValueError:
        policy = DeletionPolicy.RETAIN
    return Desired(
        key=resource.key,
        uid=resource.uid,
        cluster=cluster,
        generation=resource.generation,
        deletion_policy=policy,
        now=now,
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
        yield from _flat((group,), declared.get(group, []))


def _flat(path: Path, value: Any) -> Iterator[tuple[Path, Value]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat((*path, key), inner)
    elif isinstance(value, list):
        for entry in value:
            if isinstance(entry, Mapping):
                yield from _flat((*path, entry["name"]), _without(entry, "name"))
            else:
                yield (*path, entry), True
    else:
        yield path, value


def _without(entry: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in keys}


def _index(declared: Mapping[str, Any]) -> Index:
    params = dict(_params((), _without(declared, "field", "type")))
    return Index(declared["field"], declared["type"], tuple(sorted(params.items())))


def _params(path: Path, value: Any) -> Iterator[tuple[str, Param]]:
    """An index's parameters, flat: `stopwords.custom`. An empty list says nothing."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _params((*path, key), inner)
    elif not isinstance(value, list):
        yield ".".join(path), value
    elif value:
        yield ".".join(path), tuple(sorted(value))


def _hint(resource: Resource) -> str | None:
    collection = resource.status.get("collection") or {}
    return collection.get("physical")


def _snapshot(resource: Resource, wanted: Snapshots | None, now: str) -> SnapshotWish:
    if resource.deleting:
        return SnapshotWish()
    try:
        return snapshot_wish(wanted, resource.status, resource.created, now)
    except ValueError as error:
        raise InvalidSpec(f"spec.snapshots.schedule: {error}") from error


def _restore(resource: Resource, wanted: RestoreFrom | None) -> str | None:
    """The snapshot with the physical collection that it was taken of: its name begins with that."""
    if wanted is None or resource.deleting:
        return None
    base = f"{resource.key.namespace}.{wanted.collection}"
    physical = wanted.snapshot.split("-", base.count("-") + 1)
    collection = "-".join(physical[: base.count("-") + 1])
    if number(base, collection) is None:
        raise InvalidSpec(
            f"spec.restoreFrom.snapshot: {wanted.snapshot} is no snapshot of {wanted.collection}: "
            f"its name begins with {base}_<number>-"
        )
    return f"{collection}/{wanted.snapshot}"


def _progress(status: Mapping[str, Any]) -> Progress | None:
    if status.get("phase") == "Done" or not {"source", "target"} <= status.keys():
        return None
    cursor: Any = status.get("cursor")
    if isinstance(cursor, str) and cursor.isdigit():
        cursor = int(cursor)
    kept = ("source", "target", "phase", "copied", "total", "passes", "changed", "started")
    return Progress(cursor=cursor, **{k: status[k] for k in kept if k in status})
