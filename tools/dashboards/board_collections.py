"""*Collections*: what the manifests' owners ask for, by store and by namespace."""

from __future__ import annotations

from dashboards.model import (
    OPERATORS,
    ORANGE,
    RATE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
)

_HERE = 'namespace=~"$namespace"'
_STORE = f'{_HERE},store=~"$store"'
_SPACE = f'{_HERE},resource_namespace=~"$resource_namespace"'

# Each replica counts the same resources: the most that one says is what there is.
COLLECTIONS = Dashboard(
    "vectorplane-collections",
    "vectorplane: Collections",
    "Which collections there are, and whether each is as its manifest says.",
    (
        OPERATORS,
        Variable("store", "Store", "vectorplane_collections", "store"),
        Variable(
            "resource_namespace",
            "Namespace of the collections",
            "vectorplane_namespace_collections",
            "resource_namespace",
        ),
    ),
    (
        Row(
            "State",
            (
                Panel(
                    "Ready",
                    "Collections that are as their manifests say. Compare with the one beside it.",
                    "short",
                    (
                        Query(
                            f"sum(max by (store) "
                            f'(vectorplane_collections{{ready="True",{_STORE}}}))'
                        ),
                    ),
                    number=True,
                    width=6,
                ),
                Panel(
                    "Not Ready",
                    "More than 0 for minutes: `kubectl get vcol -A`, the reason stands in each. "
                    "All of one "
                    "store at once: look at that store.",
                    "short",
                    (
                        Query(
                            "sum(max by (store, ready) "
                            f'(vectorplane_collections{{ready!="True",{_STORE}}})) or vector(0)'
                        ),
                    ),
                    ((1, ORANGE),),
                    number=True,
                    width=6,
                ),
                Panel(
                    "Longest without being Ready",
                    "Somebody waits for that long. After half an hour an alert fires; see the "
                    "runbook: "
                    "VectorplaneCollectionsNotReady.",
                    "s",
                    (Query(f"max(vectorplane_not_ready_seconds{{{_STORE}}})"),),
                    ((300, ORANGE), (1800, RED)),
                    number=True,
                    width=6,
                ),
                Panel(
                    "Points",
                    "As the stores counted them when each collection was last looked at.",
                    "short",
                    (Query(f"sum(max by (store) (vectorplane_points{{{_STORE}}}))"),),
                    number=True,
                    width=6,
                ),
            ),
        ),
        Row(
            "By store",
            (
                Panel(
                    "Collections by store",
                    "What is not True is not usable, or is not known yet after a start.",
                    "short",
                    (
                        Query(
                            f"max by (store, ready) (vectorplane_collections{{{_STORE}}})",
                            "{{store}} ready={{ready}}",
                        ),
                    ),
                ),
                Panel(
                    "Points by store",
                    "A fall that nobody asked for: look for CameBackEmpty in the store's events, "
                    "and "
                    "restore a snapshot.",
                    "short",
                    (Query(f"max by (store) (vectorplane_points{{{_STORE}}})", "{{store}}"),),
                ),
                Panel(
                    "Stores",
                    "1: the store answers the operator. 0: its collections wait; see the "
                    "conditions of "
                    "the VectorStore.",
                    "short",
                    (Query(f"max by (store) (vectorplane_store_up{{{_STORE}}})", "{{store}}"),),
                ),
            ),
        ),
        Row(
            "By namespace",
            (
                Panel(
                    "Collections by namespace",
                    "The 200 largest namespaces; the rest are (others).",
                    "short",
                    (
                        Query(
                            "topk(20, sum by (resource_namespace) (max by (resource_namespace, "
                            "ready) "
                            f"(vectorplane_namespace_collections{{{_SPACE}}})))",
                            "{{resource_namespace}}",
                        ),
                    ),
                ),
                Panel(
                    "Not Ready by namespace",
                    "One namespace alone: its manifests. Many: a store, or the operator.",
                    "short",
                    (
                        Query(
                            "sum by (resource_namespace) (max by (resource_namespace, ready) "
                            f'(vectorplane_namespace_collections{{ready!="True",{_SPACE}}}))',
                            "{{resource_namespace}}",
                        ),
                    ),
                    ((1, ORANGE),),
                ),
                Panel(
                    "Points by namespace",
                    "Who fills the stores. Limits stand in each VectorStore: spec.limits.",
                    "short",
                    (
                        Query(
                            "topk(20, max by (resource_namespace) "
                            f"(vectorplane_namespace_points{{{_SPACE}}}))",
                            "{{resource_namespace}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Change",
            (
                Panel(
                    "Drift mended",
                    "Somebody changes collections past their manifests. Find out who has the "
                    "store's key; "
                    "the operator's log names each collection (event=drift).",
                    "ops",
                    (Query(f"sum(rate(vectorplane_drift_total{{{_HERE}}}[{RATE}]))", "mended"),),
                    width=6,
                ),
                Panel(
                    "Rebuilds",
                    "Failed: the reason is in status.rebuild.message, and the collection before it "
                    "goes on serving.",
                    "short",
                    (
                        Query(
                            f"max by (phase) (vectorplane_rebuilds{{{_HERE}}})",
                            "{{phase}}",
                        ),
                    ),
                    ((1, ORANGE),),
                    width=6,
                ),
                Panel(
                    "Rebuilds: points",
                    "Copied, of all. A line that stays flat: see the panel beside it.",
                    "short",
                    (
                        Query(
                            f"max by (part) (vectorplane_rebuild_points{{{_HERE}}})",
                            "{{part}}",
                        ),
                    ),
                    width=6,
                ),
                Panel(
                    "Rebuild without a step",
                    "After 15 minutes an alert fires; see the runbook: VectorplaneRebuildStuck.",
                    "s",
                    (Query(f"max(vectorplane_rebuild_stalled_seconds{{{_HERE}}})", "longest"),),
                    ((300, ORANGE), (900, RED)),
                    width=6,
                ),
                Panel(
                    "Snapshot late by",
                    "0 where none is due. Late: the store refuses it, or is full; see the "
                    "collection's events.",
                    "s",
                    (Query(f"max(vectorplane_snapshot_overdue_seconds{{{_HERE}}})", "latest"),),
                    ((300, ORANGE), (1800, RED)),
                    width=6,
                ),
                Panel(
                    "Ways to collections",
                    "Conditions that are not True: EndpointVerified says that no request comes "
                    "through.",
                    "short",
                    (
                        Query(
                            f"max by (condition, status) (vectorplane_exposure{{{_HERE}}})",
                            "{{condition}} {{status}}",
                        ),
                    ),
                    width=6,
                ),
                Panel(
                    "Accesses",
                    "VectorAccesses by their Ready condition; the reason stands in each.",
                    "short",
                    (
                        Query(
                            f"max by (ready) (vectorplane_accesses{{{_HERE}}})",
                            "ready={{ready}}",
                        ),
                    ),
                    width=6,
                ),
                Panel(
                    "First key ends in",
                    "Keys are renewed when a third of their life is left. One that gets near its "
                    "end is not "
                    "renewed; see the runbook: VectorplaneKeyExpires.",
                    "s",
                    (
                        Query(
                            f"min(vectorplane_access_key_expiry_timestamp_seconds{{{_HERE}}}) - "
                            f"time()",
                            "seconds",
                        ),
                    ),
                    width=6,
                ),
            ),
        ),
    ),
)
