"""The part of the plan for tenants: a VectorCollection whose points are a share of a pool.

    the resource's name is          our marker   policy     plan
    ------------------------------  -----------  ---------  --------------------------------------
    free; no pool of its shape      no           any        create the pool and its indexes, then
                                                            name and marker in one call
    free; a pool of its shape       any          any        name and marker in one call
    an alias of the pool            yes          any        what the pool lacks of its shape
    an alias of the pool            none at all  IfUnowned  the marker
    an alias of the pool            none at all  Never      nothing; stalled NotOwned
    an alias of the pool            another's    any        nothing; stalled NotOwned, names it
    an alias of another pool        yes          any        nothing; stalled ImmutableChange
    a collection, or its alias      -            any        nothing; stalled

A pool is of one shape: all that its tenants declare goes into its name, so they cannot disagree,
and none of them can change it for the others. The marker `<name>@<uid>`, an alias too, is the
record of ownership: 10,000 records are one list call.
"""

from __future__ import annotations

from vectorplane.domain import names
from vectorplane.domain.actions import (
    Action,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    PurgeTenant,
    UpdateCollection,
)
from vectorplane.domain.decisions import Plan, Problem
from vectorplane.domain.model import (
    PARTITION,
    AdoptionPolicy,
    Capability,
    ChangePolicy,
    Collection,
    DeletionPolicy,
    Desired,
    Observed,
    Record,
    Settings,
)
from vectorplane.domain.plan_rebuild import plan_rebuild
from vectorplane.domain.policy import (
    Difference,
    Ownership,
    differences,
    immutable,
    indexes_of,
    ownership,
    possible,
    record_of,
    unit,
)
from vectorplane.domain.tenancy import TENANT_FIELD, TENANT_INDEX, holder_of, pool_owner


def tenant_of(desired: Desired, observed: Observed) -> Collection | None:
    """The pool that the resource is a tenant of today: its name and its marker point there."""
    target = observed.aliases.get(desired.name)
    found = observed.collections.get(target or "")
    if found is None or observed.aliases.get(desired.marker) != target:
        return None
    return found if _is_pool(desired, found) else None


def plan_tenant(desired: Desired, observed: Observed, current: Collection | None) -> Plan:
    """`current` is the pool that the resource is a tenant of already, if any."""
    assert desired.pool is not None
    if Capability.TENANTS not in observed.capabilities:
        message = "spec.tenancy.mode: this engine cannot share a collection between tenants"
        return Plan(stalled=Problem("Unsupported", message))
    settings, lacking = possible(desired, observed.capabilities)
    if current is None:
        if problem := _taken(desired, observed):
            return Plan(stalled=problem)
    elif names.number(desired.pool, current.name) is None:
        message = (
            f"a tenant of {current.name} cannot change its settings, payload indexes or embedding: "
            "the pool is of one shape for all; change them back, or set spec.tenancy.mode to "
            "Dedicated with spec.changePolicy Rebuild"
        )
        return Plan((), current.name, Problem("ImmutableChange", message))
    pool = current or _pool(desired, observed)
    aliases: list[Action] = []
    if pool is None:
        actions = _create(desired, observed, settings)
        name = names.next_physical(desired.pool, observed.taken | observed.collections.keys())
    else:
        actions, name = _mend(desired, observed, pool, settings), pool.name
    missing = {a: name for a in (desired.name, desired.marker) if observed.aliases.get(a) != name}
    if missing:
        aliases.append(ChangeAliases(missing))
    # A collection of its own was begun, and is no longer wanted.
    copies = [
        DropCollection(c.name)
        for _, c in sorted(observed.collections.items())
        if ownership(desired, c) is Ownership.OURS and record_of(c).source is not None
    ]
    return Plan((*actions, *aliases, *copies), name, None, lacking)


def plan_tenant_deletion(desired: Desired, observed: Observed) -> list[Action]:
    """What a deletion does to a tenant: to its own points, and to no others."""
    pool = observed.aliases.get(desired.marker)
    found = observed.collections.get(pool or "")
    if pool is None or found is None or not _is_pool(desired, found):
        return []
    serving = observed.aliases.get(desired.name)
    promoted = serving is not None and serving != pool
    if desired.deletion_policy is DeletionPolicy.RETAIN and not promoted:
        return [ChangeAliases({}, frozenset({desired.marker}))]
    drop = {desired.marker} | ({desired.name} if serving == pool else set())
    return [PurgeTenant(pool, desired.name), ChangeAliases({}, frozenset(drop))]


def plan_promotion(desired: Desired, observed: Observed, pool: Collection) -> Plan:
    """From a share of a pool to a collection of its own."""
    fixed = Difference(("tenancy", "mode"), desired.tenancy, PARTITION)
    if desired.change_policy is not ChangePolicy.REBUILD:
        message = (
            f"spec.tenancy.mode cannot change from {PARTITION} to {desired.tenancy} without a copy "
            "of the points: set spec.changePolicy to Rebuild; it goes on serving as it is"
        )
        return Plan((), pool.name, Problem("ImmutableChange", message))
    settings, lacking = possible(desired, observed.capabilities)
    return plan_rebuild(desired, observed, pool, settings, lacking, [fixed], tenant=desired.name)


def _is_pool(desired: Desired, collection: Collection) -> bool:
    record = collection.record
    if record is None or record.owner is None or record.tenancy != PARTITION:
        return False
    return record.owner == pool_owner(record.owner.name, desired.cluster)


def _pool(desired: Desired, observed: Observed) -> Collection | None:
    """The oldest pool of this shape that is this cluster's."""
    assert desired.pool is not None
    found = reversed(names.numbered(desired.pool, observed.collections))
    pools = (observed.collections[name] for name in found)
    return next((pool for pool in pools if _is_pool(desired, pool)), None)


def _taken(desired: Desired, observed: Observed) -> Problem | None:
    """Why the name cannot be ours."""
    target = observed.aliases.get(desired.name)
    if target is None:
        if desired.name not in observed.taken:
            return None
        target = desired.name
    found = observed.collections.get(target)
    if found is None:
        return Problem("NotOwned", f"the name {desired.name} is taken by collection {target}")
    if not _is_pool(desired, found):
        if ownership(desired, found) is Ownership.OURS:
            message = (
                "spec.tenancy.mode cannot change from Dedicated to Partition: a pool takes no "
                "points of a collection; it goes on serving as it is"
            )
            return Problem("ImmutableChange", message)
        owner = record_of(found).owner
        whose = f"belongs to {owner}" if owner else "is not owned by this resource"
        return Problem("NotOwned", f"collection {found.name} {whose}")
    for alias, pool in sorted(observed.aliases.items()):
        holder = holder_of(alias)
        if pool == target and holder and holder[0] == desired.name and holder[1] != desired.uid:
            message = (
                f"the name {desired.name} belongs to a VectorCollection {desired.key} with uid "
                f"{holder[1]}"
            )
            return Problem("NotOwned", message)
    if desired.adoption_policy is AdoptionPolicy.NEVER:
        message = (
            f"tenant {desired.name} of {target} has points and nobody owns it; set "
            "spec.adoptionPolicy to IfUnowned to take it over"
        )
        return Problem("NotOwned", message)
    return None


def _create(desired: Desired, observed: Observed, settings: Settings) -> list[Action]:
    assert desired.pool is not None
    name = names.next_physical(desired.pool, observed.taken | observed.collections.keys())
    indexes = indexes_of(desired, observed)
    record = Record(
        pool_owner(desired.pool, desired.cluster),
        indexes=frozenset(indexes) | {TENANT_FIELD},
        embedding=desired.embedding,
        tenancy=PARTITION,
    )
    made = [TENANT_INDEX, *(i for _, i in sorted(indexes.items()))]
    return [CreateCollection(name, settings, record), *(CreateIndex(name, i) for i in made)]


def _mend(
    desired: Desired, observed: Observed, pool: Collection, settings: Settings
) -> list[Action]:
    """What a pool lacks of its shape: the rest of an interrupted creation, or drift."""
    changed = {unit(d.path) for d in differences(settings, pool.settings) if not immutable(d.path)}
    update = {p: v for p, v in settings.items() if unit(p) in changed}
    actions: list[Action] = [UpdateCollection(pool.name, update)] if update else []
    wanted = [TENANT_INDEX, *(i for _, i in sorted(indexes_of(desired, observed).items()))]
    actions += [CreateIndex(pool.name, i) for i in wanted if i.field not in pool.indexes]
    return actions
