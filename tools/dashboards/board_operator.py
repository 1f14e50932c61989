"""*Operator*: whether it leads, keeps up, and is let do its work."""

from __future__ import annotations

from dashboards.model import OPERATORS, ORANGE, RATE, RED, Dashboard, Panel, Query, Row

_HERE = 'namespace=~"$namespace"'
_LOOKS = "vectorplane_reconcile_total"


def _quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    also, name = (f", {by}", f"{{{{{by}}}}} ") if by else ("", "")
    return tuple(
        Query(
            f"histogram_quantile({share}, "
            f"sum by (le{also}) (rate({metric}_bucket{{{_HERE}}}[{RATE}])))",
            f"{name}p{round(share * 100)}",
        )
        for share in (0.5, 0.99)
    )


OPERATOR = Dashboard(
    "vectorplane-operator",
    "vectorplane: Operator",
    "The leader, its queue, the time of its looks, what it tries again, and the APIs it speaks "
    "with.",
    (OPERATORS,),
    (
        Row(
            "Leader",
            (
                Panel(
                    "Leaders",
                    "Exactly 1. 0: no change of a manifest is carried out. 2: see the runbook, "
                    "VectorplaneOperatorHasTwoLeaders.",
                    "short",
                    (Query(f"sum(vectorplane_leader{{{_HERE}}})"),),
                    ((2, RED),),
                    number=True,
                    width=6,
                ),
                Panel(
                    "Who leads",
                    "Changes of the leader without a roll-out: is the API server slow, or the pod "
                    "without CPU?",
                    "short",
                    (Query(f"max by (instance) (vectorplane_leader{{{_HERE}}})", "{{instance}}"),),
                ),
                Panel(
                    "Stores and providers",
                    "1: it answers. 0: what is declared waits; its VectorStore, or the operator's "
                    "log, says why.",
                    "short",
                    (
                        Query(
                            f"max by (store) (vectorplane_store_up{{{_HERE}}})", "store {{store}}"
                        ),
                        Query(
                            f"max by (provider) (vectorplane_provider_up{{{_HERE}}})",
                            "{{provider}}",
                        ),
                    ),
                    width=10,
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Queue",
                    "Collections that wait for a look. Rising for minutes: stores are slow, see "
                    "the time of looks.",
                    "short",
                    (
                        Query(f"max(vectorplane_queue_depth{{{_HERE}}})", "queue"),
                        Query(
                            f"max(vectorplane_unverified{{{_HERE}}} and on (namespace, instance) "
                            "(vectorplane_leader == 1))",
                            "not looked at since the start",
                        ),
                    ),
                    ((1000, ORANGE),),
                ),
                Panel(
                    "Looks",
                    "By what they came to. waiting is tried again by itself; stalled waits for a "
                    "person: the "
                    "reason stands in each collection.",
                    "ops",
                    (
                        Query(
                            f"sum by (result) (rate({_LOOKS}{{{_HERE}}}[{RATE}]))",
                            "{{result}}",
                        ),
                    ),
                ),
                Panel(
                    "Retries",
                    "Share of the looks that came to waiting. Near 1 for long: a store or a "
                    "provider is away.",
                    "percentunit",
                    (
                        Query(
                            f'sum(rate({_LOOKS}{{result="waiting",{_HERE}}}[{RATE}]))'
                            f" / sum(rate({_LOOKS}{{{_HERE}}}[{RATE}]))",
                            "waiting",
                        ),
                    ),
                    ((0.5, ORANGE),),
                ),
                Panel(
                    "Time of a look",
                    "Mostly the store's. Seconds: the store makes collections or indexes, or is "
                    "overloaded.",
                    "s",
                    _quantiles("vectorplane_reconcile_duration_seconds"),
                    ((5, ORANGE), (30, RED)),
                ),
                Panel(
                    "Time of a sweep",
                    "One sweep compares all collections of a store. Longer than the resync: raise "
                    "that setting.",
                    "s",
                    _quantiles("vectorplane_sweep_duration_seconds"),
                    ((30, ORANGE),),
                ),
                Panel(
                    "Gateway and registry",
                    "Objects put or deleted. A steady rate at rest: somebody else changes the "
                    "same objects.",
                    "ops",
                    (
                        Query(
                            "sum by (provider, action) "
                            f"(rate(vectorplane_published_total{{{_HERE}}}[{RATE}]))",
                            "{{provider}} {{action}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Kubernetes API",
            (
                Panel(
                    "Calls",
                    "By status. 403: the operator lacks a right, see manifests/rbac.yaml. 429: "
                    "the API server "
                    "limits it. none: no answer came.",
                    "reqps",
                    (
                        Query(
                            "sum by (method, code) "
                            f"(rate(vectorplane_api_requests_total{{{_HERE}}}[{RATE}]))",
                            "{{method}} {{code}}",
                        ),
                    ),
                    width=12,
                ),
                Panel(
                    "Time of a call",
                    "Slow calls make the Lease late: the leader steps down before another one may "
                    "lead.",
                    "s",
                    _quantiles("vectorplane_api_request_duration_seconds", "method"),
                    ((1, ORANGE), (5, RED)),
                    width=12,
                ),
            ),
        ),
    ),
)
