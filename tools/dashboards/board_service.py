"""*Service*: what clients meet, by route, and what the service spends its time on."""

from __future__ import annotations

from dashboards.model import (
    ORANGE,
    RATE,
    RED,
    SERVICES,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
)

_HERE = 'namespace=~"$namespace"'
_ROUTE = f'{_HERE},route=~"$route"'
_REQUESTS = "vectorplane_http_requests_total"
_SECONDS = "vectorplane_http_request_duration_seconds_bucket"


def _quantiles(metric: str, labels: str, by: str = "") -> tuple[Query, ...]:
    also, name = (f", {by}", f"{{{{{by}}}}} ") if by else ("", "")
    return tuple(
        Query(
            f"histogram_quantile({share}, sum by (le{also}) (rate({metric}{{{labels}}}[{RATE}])))",
            f"{name}p{round(share * 100)}",
        )
        for share in (0.5, 0.99)
    )


SERVICE = Dashboard(
    "vectorplane-service",
    "vectorplane: Service",
    "Rate, errors and duration by route; the store, the cache, limits and workers behind them.",
    (SERVICES, Variable("route", "Route", _REQUESTS, "route")),
    (
        Row(
            "Objective of searches",
            (
                Panel(
                    "Searches that failed",
                    "Share of the last hour; the objective leaves 0.5 %. Above it: see the "
                    "runbook, "
                    "VectorplaneSearchErrorsFast.",
                    "percentunit",
                    (Query(f"max(vectorplane:search_errors:ratio_rate1h{{{_HERE}}})"),),
                    ((0.005, ORANGE), (0.072, RED)),
                    number=True,
                    width=6,
                ),
                Panel(
                    "Searches slower than 250 ms",
                    "Share of the last hour; the objective leaves 1 %. Above it: is it the store "
                    "(below) or "
                    "the service? See the runbook, VectorplaneSearchLatencyFast.",
                    "percentunit",
                    (Query(f"max(vectorplane:search_slow:ratio_rate1h{{{_HERE}}})"),),
                    ((0.01, ORANGE), (0.144, RED)),
                    number=True,
                    width=6,
                ),
                Panel(
                    "Errors, burnt",
                    "1: the budget of a month is gone in a month. 14.4: in two days, and somebody "
                    "is called.",
                    "short",
                    tuple(
                        Query(f"max(vectorplane:search_errors:ratio_rate{w}{{{_HERE}}}) / 0.005", w)
                        for w in ("5m", "1h", "6h")
                    ),
                    ((1, ORANGE), (14.4, RED)),
                    width=6,
                ),
                Panel(
                    "Slowness, burnt",
                    "1: the budget of a month is gone in a month. 14.4: in two days, and somebody "
                    "is called.",
                    "short",
                    tuple(
                        Query(f"max(vectorplane:search_slow:ratio_rate{w}{{{_HERE}}}) / 0.01", w)
                        for w in ("5m", "1h", "6h")
                    ),
                    ((1, ORANGE), (14.4, RED)),
                    width=6,
                ),
            ),
        ),
        Row(
            "Requests by route",
            (
                Panel(
                    "Rate",
                    "Requests answered a second. A fall to nothing: are clients or the gateway "
                    "gone?",
                    "reqps",
                    (
                        Query(
                            f"sum by (route) (rate({_REQUESTS}{{{_ROUTE}}}[{RATE}]))",
                            "{{route}}",
                        ),
                    ),
                ),
                Panel(
                    "Errors",
                    "5xx: the store is away or overloaded, /health says which. 4xx is the "
                    "clients' own; many "
                    "401 or 403 at once are a key that ended.",
                    "reqps",
                    (
                        Query(
                            f'sum by (route, status) (rate({_REQUESTS}{{status=~"[45]..",{_ROUTE}}}'
                            f"[{RATE}]))",
                            "{{status}} {{route}}",
                        ),
                    ),
                    ((0.1, ORANGE),),
                ),
                Panel(
                    "Duration",
                    "From the first byte in to the last byte out. Slow, and the store is not: "
                    "more workers, "
                    "or more CPU.",
                    "s",
                    _quantiles(_SECONDS, _ROUTE, "route"),
                    ((0.25, ORANGE), (1, RED)),
                ),
            ),
        ),
        Row(
            "Store",
            (
                Panel(
                    "Searches in the store",
                    "What the store itself takes. Slow here: indexes, memory and disks of the "
                    "store.",
                    "s",
                    _quantiles("vectorplane_search_duration_seconds_bucket", _HERE),
                    ((0.1, ORANGE), (0.25, RED)),
                ),
                Panel(
                    "Writes in the store",
                    "Upserts and deletes. Slow while many are written: the store optimizes; write "
                    "larger batches.",
                    "s",
                    _quantiles("vectorplane_store_duration_seconds_bucket", _HERE),
                    ((1, ORANGE), (5, RED)),
                ),
                Panel(
                    "Batch sizes",
                    "Points of an upsert, searches of a request. Medians near 1 under load: "
                    "clients should "
                    "send several at once.",
                    "short",
                    (
                        Query(
                            "histogram_quantile(0.5, sum by (le, operation) "
                            f"(rate(vectorplane_batch_size_bucket{{{_HERE}}}[{RATE}])))",
                            "{{operation}} p50",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Cache, limits, workers",
            (
                Panel(
                    "Cache",
                    "Hits save the store a search. Errors: Redis is away, searches go to the "
                    "store.",
                    "reqps",
                    (
                        Query(
                            "sum by (result) "
                            f"(rate(vectorplane_cache_requests_total{{{_HERE}}}[{RATE}]))",
                            "{{result}}",
                        ),
                    ),
                ),
                Panel(
                    "Refused",
                    "Limited: a client asks more than it may. Shed: there are more requests than "
                    "the service "
                    "can serve in time; add workers or replicas. Uncounted: Redis is away.",
                    "reqps",
                    (
                        Query(
                            "sum by (group) "
                            f"(rate(vectorplane_rate_limited_total{{{_HERE}}}[{RATE}]))",
                            "limited: {{group}}",
                        ),
                        Query(
                            f"sum(rate(vectorplane_shed_requests_total{{{_HERE}}}[{RATE}]))", "shed"
                        ),
                        Query(
                            f"sum(rate(vectorplane_rate_limit_failures_total{{{_HERE}}}[{RATE}]))",
                            "uncounted",
                        ),
                    ),
                    ((1, ORANGE),),
                ),
                Panel(
                    "Keys refused",
                    "By why. expired: a client did not read its Secret again. unknown, many: "
                    "somebody guesses.",
                    "reqps",
                    (
                        Query(
                            "sum by (reason) "
                            f"(rate(vectorplane_auth_failures_total{{{_HERE}}}[{RATE}]))",
                            "{{reason}}",
                        ),
                    ),
                    ((1, ORANGE),),
                ),
                Panel(
                    "Workers",
                    "Processes that answer. Fewer than configured: they end and are started "
                    "again; see the log.",
                    "short",
                    (
                        Query(
                            f"sum by (instance) (vectorplane_workers{{{_HERE}}})",
                            "{{instance}}",
                        ),
                    ),
                    width=12,
                ),
                Panel(
                    "Requests under way",
                    "Rising without end: the store does not answer in time.",
                    "short",
                    (
                        Query(
                            f"sum by (instance) (vectorplane_inflight_requests{{{_HERE}}})",
                            "{{instance}}",
                        ),
                    ),
                    ((100, ORANGE),),
                    width=12,
                ),
            ),
        ),
    ),
)
