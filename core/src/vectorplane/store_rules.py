"""What a store allows and adds: who may have a collection there, how many, and what a manifest has
where it says nothing. Pure: the platform team's rules, applied to one resource.

    the resource                       rule                          comes of it
    ---------------------------------  ----------------------------  --------------------------
    is being deleted                   deletionPolicy                added where it says none
    lives in the store, as it was let  any                           let in, with the defaults
    in
    lives in the store, edited         maxVectorSize,                LimitExceeded; it goes on
                                       maxReplicationFactor          serving as it was
    is new                             allowedNamespaces             NamespaceNotAllowed
    is new                             maxCollections (and per       LimitExceeded, unless it is
                                       namespace)                    among the oldest
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vectorplane.domain.model import PARTITION, DeletionPolicy
from vectorplane.domain.status import COLLECTION_READY, READY, condition_of
from vectorplane.errors import LimitExceeded, NamespaceNotAllowed
from vectorplane.ports.resources import Resource
from vectorplane.spec_store import LabelRequirement, LabelSelector, Limits, VectorStoreSpec

_WHEN_MADE = ("sharding", "wal")
"""Defaults that only a new collection can have: later, a changed default would be a change that
is refused, to every collection that somebody has."""
_NO_PLACE = ("NamespaceNotAllowed", "ResourceConflict", "NotOwned", "InvalidSpec")
"""Reasons for which a resource makes no collection, and holds no place for one."""
_WHOLE = ("snapshots",)
"""What a manifest has whole, or not at all."""
_ITEM_KEYS = ("field", "name")


@dataclass(frozen=True, slots=True)
class StoreRules:
    """The rules of one VectorStore."""

    store: str
    namespaces: LabelSelector | None
    defaults: Mapping[str, Any]
    """As plain JSON, like a manifest's spec."""
    limits: Limits
    deletion_policy: str | None

    @property
    def nothing(self) -> bool:
        """Whether they leave every resource as it is."""
        return (
            self.namespaces is None
            and not self.defaults
            and self.limits == Limits()
            and self.deletion_policy is None
        )

    @property
    def counting(self) -> bool:
        """Whether it matters how many there are."""
        most = (self.limits.max_collections, self.limits.max_collections_per_namespace)
        return most != (None, None)


@dataclass(frozen=True, slots=True)
class Counts:
    """The collections that have a place before a resource: in the store, and of its namespace."""

    store: int = 0
    namespace: int = 0


def rules_of(store: str, spec: VectorStoreSpec) -> StoreRules:
    """The rules in a VectorStore's spec."""
    defaults = (
        spec.defaults.model_dump(by_alias=True, exclude_none=True, exclude_unset=True)
        if spec.defaults
        else {}
    )
    return StoreRules(
        store,
        spec.allowed_namespaces,
        defaults,
        spec.limits or Limits(),
        spec.deletion_policy,
    )


def admit(
    resource: Resource,
    rules: StoreRules,
    namespace_labels: Mapping[str, str],
    counts: Counts,
) -> Resource:
    """A resource as the store takes it: with the store's defaults under its spec. Raises
    `NamespaceNotAllowed` or `LimitExceeded`.
    """
    if resource.deleting:
        return _with_policy(resource, rules)
    here = lives(resource, rules.store)
    if not here:
        _check_namespace(resource, rules, namespace_labels)
        _check_counts(resource, rules, counts)
    spec = merged(_defaults(resource, rules, here), resource.spec)
    if not as_let_in(resource, rules.store):
        _check_sizes(resource, rules, spec, here)
    return _with_policy(replace(resource, spec=spec), rules)


def lives(resource: Resource, store: str) -> bool:
    """Whether a resource has a collection in a store."""
    return resource.status.get("store") == store and bool(resource.status.get("collection"))


def makes(resource: Resource) -> bool:
    """Whether nothing but room is in the way of a resource's collection, as far as it says."""
    return condition_of(resource.status, READY).get("reason") not in _NO_PLACE


def as_let_in(resource: Resource, store: str) -> bool:
    """Whether a resource stands in a store just as it is written now."""
    before = condition_of(resource.status, COLLECTION_READY)
    return (
        lives(resource, store)
        and before.get("reason") == "AsDeclared"
        and before.get("observedGeneration") == resource.generation
    )


def counts_before(
    resource: Resource,
    rules: StoreRules,
    among: Iterable[Resource],
    placed: Callable[[Resource], bool],
    wants: Callable[[Resource], bool],
) -> Counts:
    """Who has a place before a resource. First all that live in the store, or were `placed` there a
    moment ago; then, by age, the older ones that `wants` says want to, as long as there is room.
    """
    namespaces: Counter[str] = Counter()
    waiting = []
    age = (resource.created, resource.uid)
    for other in among:
        if other.uid == resource.uid:
            continue
        if lives(other, rules.store) or (makes(other) and placed(other)):
            namespaces[other.key.namespace] += 1
        elif (
            makes(other)
            and not other.deleting
            and (other.created, other.uid) < age
            and wants(other)
        ):
            waiting.append(other)
    limits = rules.limits
    total = namespaces.total()
    for other in sorted(waiting, key=lambda r: (r.created, r.uid)):
        namespace = other.key.namespace
        full = _reached(limits.max_collections, total) or _reached(
            limits.max_collections_per_namespace, namespaces[namespace]
        )
        spec = merged(_defaults(other, rules, False), other.spec)
        if not full and not _too_large(limits, spec):
            namespaces[namespace] += 1
            total += 1
    return Counts(total, namespaces[resource.key.namespace])


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a selector fits labels, as Kubernetes means it: NotIn fits a label that is not there,
    and an empty selector fits everything.
    """
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and all(_fits(e, labels) for e in selector.match_expressions)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two specs, one laid over the other: objects field by field, lists of objects by their key,
    item by item. What goes together is one: a quantization of another type, a schedule. None says
    nothing.
    """
    result = dict(under)
    for key, value in over.items():
        if value is None:
            continue
        below = result.get(key)
        whole = below is None or key in _WHOLE or (key == "quantization" and _differ(below, value))
        result[key] = value if whole else _laid_over(below, value)
    return result


def _laid_over(under: Any, over: Any) -> Any:
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return merged(under, over)
    if isinstance(under, list) and isinstance(over, list) and (key := _key_of(under)):
        declared = {item.get(key) for item in over if isinstance(item, Mapping)}
        return [*over, *(item for item in under if item[key] not in declared)]
    return over


def _differ(under: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    return bool(under.get("type") != over.get("type"))


def _key_of(items: list[Any]) -> str | None:
    """The key of a list-map, or None of a plain list."""
    for key in _ITEM_KEYS:
        if items and all(isinstance(item, Mapping) and key in item for item in items):
            return key
    return None


def _defaults(resource: Resource, rules: StoreRules, here: bool) -> Mapping[str, Any]:
    if (resource.spec.get("tenancy") or {}).get("mode") == PARTITION:
        return {}
    return {k: v for k, v in rules.defaults.items() if not here or k not in _WHEN_MADE}


def _with_policy(resource: Resource, rules: StoreRules) -> Resource:
    policy = rules.deletion_policy
    if policy is None or resource.spec.get("deletionPolicy"):
        return resource
    tenant = (resource.spec.get("tenancy") or {}).get("mode") == PARTITION
    if tenant and policy == DeletionPolicy.SNAPSHOT:
        policy = str(DeletionPolicy.RETAIN)
    return replace(resource, spec={**resource.spec, "deletionPolicy": policy})


def _check_namespace(resource: Resource, rules: StoreRules, labels: Mapping[str, str]) -> None:
    if rules.namespaces is not None and not selects(rules.namespaces, labels):
        raise NamespaceNotAllowed(
            f"VectorStore {rules.store} takes no collections of namespace "
            f"{resource.key.namespace}: its labels do not fit spec.allowedNamespaces; ask the "
            "platform team, or name another store in spec.store"
        )


def _check_counts(resource: Resource, rules: StoreRules, counts: Counts) -> None:
    limits, namespace = rules.limits, resource.key.namespace
    if _reached(limits.max_collections_per_namespace, counts.namespace):
        raise LimitExceeded(
            f"VectorStore {rules.store} takes {limits.max_collections_per_namespace} collections "
            f"of a namespace (spec.limits.maxCollectionsPerNamespace), and {namespace} has "
            f"{counts.namespace}; delete one, or ask the platform team for more"
        )
    if _reached(limits.max_collections, counts.store):
        raise LimitExceeded(
            f"VectorStore {rules.store} takes {limits.max_collections} collections "
            f"(spec.limits.maxCollections), and has {counts.store}; ask the platform team for "
            "more, or name another store in spec.store"
        )


def _check_sizes(
    resource: Resource, rules: StoreRules, spec: Mapping[str, Any], here: bool
) -> None:
    if problem := _too_large(rules.limits, spec):
        serving = "; the collection goes on serving as it is" if here else ""
        raise LimitExceeded(
            f"{problem[0]} is {problem[1]}, and VectorStore {rules.store} takes {problem[2]} at "
            f"most (spec.limits.{problem[3]}): lower it, or ask the platform team{serving}"
        )


def _too_large(limits: Limits, spec: Mapping[str, Any]) -> tuple[str, int, int, str] | None:
    """The first setting over its limit: its place, its value, the limit, and the limit's name."""
    most = limits.max_vector_size
    for vector in spec.get("vectors") or ():
        size = vector.get("size") or 0
        if most is not None and size > most:
            return f'spec.vectors["{vector.get("name", "")}"].size', size, most, "maxVectorSize"
    most = limits.max_replication_factor
    factor = (spec.get("replication") or {}).get("factor") or 0
    if most is not None and factor > most:
        return "spec.replication.factor", factor, most, "maxReplicationFactor"
    return None


def _reached(limit: int | None, count: int) -> bool:
    return limit is not None and count >= limit


def _fits(expression: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    match expression.operator:
        case "In":
            return value in expression.values
        case "NotIn":
            return value not in expression.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
