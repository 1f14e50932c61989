"""*Gateway*: Kong's own metrics, by route and consumer. Its plugin `prometheus` makes them; the
operator puts that one on each of its services, with consumers."""

from __future__ import annotations

from dashboards.model import ORANGE, RATE, RED, Dashboard, Panel, Query, Row, Variable

_REQUESTS = "kong_http_requests_total"
_ROUTE = 'route=~"$route"'
_ALL = f'{_ROUTE},consumer=~"$consumer"'


def _latency(metric: str, steps: tuple[tuple[float, str], ...], title: str, what: str) -> Panel:
    queries = tuple(
        Query(
            f"histogram_quantile({share}, sum by (le, route) "
            f"(rate({metric}_bucket{{{_ROUTE}}}[{RATE}])))",
            f"{{{{route}}}} p{round(share * 100)}",
        )
        for share in (0.5, 0.99)
    )
    return Panel(title, what, "ms", queries, steps)


GATEWAY = Dashboard(
    "vectorplane-gateway",
    "vectorplane: Gateway",
    "What comes through Kong: by route, which is a collection, and by consumer, which is a "
    "VectorAccess.",
    (
        Variable("route", "Route", _REQUESTS, "route"),
        Variable("consumer", "Consumer", _REQUESTS, "consumer"),
    ),
    (
        Row(
            "By route",
            (
                Panel(
                    "Rate",
                    "Requests a second. Nothing, and the service has some: clients go past the "
                    "gateway.",
                    "reqps",
                    (
                        Query(
                            f"sum by (route) (rate({_REQUESTS}{{{_ALL}}}[{RATE}]))",
                            "{{route}}",
                        ),
                    ),
                ),
                Panel(
                    "Errors",
                    "401: no key, or one that ended. 403: a key for another collection. 429: the "
                    "limit of "
                    "spec.gateway. 5xx from upstream: the Service dashboard says why.",
                    "reqps",
                    (
                        Query(
                            "sum by (route, code, source) "
                            f'(rate({_REQUESTS}{{code=~"[45]..",{_ALL}}}[{RATE}]))',
                            "{{code}} by {{source}} {{route}}",
                        ),
                    ),
                    ((0.1, ORANGE),),
                ),
                Panel(
                    "Bytes",
                    "Both ways. Large answers: clients ask for vectors or payloads that they may "
                    "not need.",
                    "Bps",
                    (
                        Query(
                            "sum by (route, direction) "
                            f"(rate(kong_bandwidth_bytes{{{_ALL}}}[{RATE}]))",
                            "{{direction}} {{route}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "By consumer",
            (
                Panel(
                    "Rate by consumer",
                    "The twenty that ask most. One that asks too much: spec.gateway.rateLimit.",
                    "reqps",
                    (
                        Query(
                            "topk(20, sum by (consumer) "
                            f'(rate({_REQUESTS}{{consumer!="",{_ALL}}}[{RATE}])))',
                            "{{consumer}}",
                        ),
                    ),
                    width=12,
                ),
                Panel(
                    "Refused by consumer",
                    "403 and 429 of one consumer: it uses its key for something else, or too "
                    "often. An empty "
                    "name: no key that is known.",
                    "reqps",
                    (
                        Query(
                            "topk(20, sum by (consumer, code) "
                            f'(rate({_REQUESTS}{{code=~"4..",{_ALL}}}[{RATE}])))',
                            "{{consumer}} {{code}}",
                        ),
                    ),
                    ((0.1, ORANGE),),
                    width=12,
                ),
            ),
        ),
        Row(
            "Latency",
            (
                _latency(
                    "kong_request_latency_ms",
                    ((250, ORANGE), (1000, RED)),
                    "In all",
                    "What a client meets. Compare the two beside it to see where it comes from.",
                ),
                _latency(
                    "kong_upstream_latency_ms",
                    ((250, ORANGE), (1000, RED)),
                    "In the service",
                    "What the upstream takes. Slow here: see the dashboard Service.",
                ),
                _latency(
                    "kong_kong_latency_ms",
                    ((20, ORANGE), (100, RED)),
                    "In Kong and its plugins",
                    "Slow here: Kong lacks CPU, or its database is slow.",
                ),
            ),
        ),
        Row(
            "Kong itself",
            (
                Panel(
                    "Database",
                    "1: Kong reaches it. 0: it serves what it knows, and takes no change.",
                    "short",
                    (Query("min(kong_datastore_reachable)", "reachable"),),
                    width=12,
                ),
                Panel(
                    "Connections",
                    "By state. Many in `reading`: slow clients.",
                    "short",
                    (
                        Query(
                            "sum by (state) (kong_nginx_connections_total)",
                            "{{state}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
    ),
)
