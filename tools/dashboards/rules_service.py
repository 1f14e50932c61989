"""Alerts of the service: its searches have an objective, and how fast that is used up decides.

Of the searches of 30 days, 99.5 % are answered (no 5xx), and 99 % within 250 ms. 14.4 times as many
bad ones as that leaves use up two days of budget in an hour: somebody is called. Six times as many,
for six hours, is for the day. The short window ends an alert soon after its cause.
"""

from __future__ import annotations

from dashboards.alerts import HOUR, MINUTE, Alert, Group, Recording, Times

ERRORS, SLOW = 0.005, 0.01
"""What the objectives leave: shares of the searches."""
BUCKET = "0.25"
"""Seconds: a bucket of the histogram."""
_SEARCHES = 'route=~".*/search(/.*)?"'
_WINDOWS = {"5m": 5 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "6h": 6 * HOUR}
_BY = "sum by (namespace, job)"


def groups(times: Times) -> tuple[Group, ...]:
    """Recording rules, then the alerts on them."""
    recordings = []
    for name, seconds in _WINDOWS.items():
        span = f"[{times.span(seconds)}]"
        all_of = f"{_BY} (rate(vectorplane_http_requests_total{{{_SEARCHES}}}{span}))"
        # Without `or`, there is no share as long as nothing failed.
        failed = (
            f'({_BY} (rate(vectorplane_http_requests_total{{status=~"5..",{_SEARCHES}}}{span}))'
            f" or {all_of} * 0)"
        )
        seen = "vectorplane_http_request_duration_seconds"
        fast = f'{_BY} (rate({seen}_bucket{{le="{BUCKET}",{_SEARCHES}}}{span}))'
        counted = f"{_BY} (rate({seen}_count{{{_SEARCHES}}}{span}))"
        recordings += [
            Recording(f"vectorplane:search_errors:ratio_rate{name}", f"{failed} / {all_of}"),
            Recording(f"vectorplane:search_slow:ratio_rate{name}", f"1 - {fast} / {counted}"),
        ]
    return (
        Group("vectorplane-service-objective", recordings),
        Group(
            "vectorplane-service",
            (
                Alert(
                    "VectorplaneSearchErrorsFast",
                    _burnt("search_errors", 14.4, ERRORS, "1h", "5m"),
                    times.span(2 * MINUTE),
                    "critical",
                    "{{ $value | humanizePercentage }} of the searches of {{ $labels.job }} fail.",
                    "At this rate the errors of a month are used up in two days. /health of the "
                    "service "
                    "says what is down.",
                ),
                Alert(
                    "VectorplaneSearchErrorsSlow",
                    _burnt("search_errors", 6, ERRORS, "6h", "30m"),
                    times.span(15 * MINUTE),
                    "warning",
                    "{{ $value | humanizePercentage }} of the searches of {{ $labels.job }} fail, "
                    "for hours.",
                    "At this rate the errors of a month are used up in five days.",
                ),
                Alert(
                    "VectorplaneSearchLatencyFast",
                    _burnt("search_slow", 14.4, SLOW, "1h", "5m"),
                    times.span(2 * MINUTE),
                    "critical",
                    "{{ $value | humanizePercentage }} of the searches of {{ $labels.job }} take "
                    "longer "
                    "than 250 ms.",
                    "Compare with the time of the store on the dashboard Service.",
                ),
                Alert(
                    "VectorplaneSearchLatencySlow",
                    _burnt("search_slow", 6, SLOW, "6h", "30m"),
                    times.span(15 * MINUTE),
                    "warning",
                    "{{ $value | humanizePercentage }} of the searches of {{ $labels.job }} take "
                    "longer "
                    "than 250 ms, for hours.",
                    "Compare with the time of the store on the dashboard Service.",
                ),
                Alert(
                    "VectorplaneServiceAway",
                    "absent(vectorplane_workers)",
                    times.span(5 * MINUTE),
                    "critical",
                    "No vectorplane service is scraped.",
                    "It is down, or Prometheus does not find it.",
                ),
            ),
        ),
    )


def _burnt(what: str, times_as_fast: float, budget: float, long: str, short: str) -> str:
    limit = f"{times_as_fast * budget:g}"
    return (
        f"vectorplane:{what}:ratio_rate{short} > {limit} and "
        f"vectorplane:{what}:ratio_rate{long} > {limit}"
    )
