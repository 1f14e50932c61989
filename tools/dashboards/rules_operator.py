"""Alerts of the operator: what owners of manifests notice first, then what they will notice."""

from __future__ import annotations

from dashboards.alerts import MINUTE, Alert, Group, Times

_BY = "by (namespace, job)"
_LEADS = "and on (namespace, job, instance) (vectorplane_leader == 1)"
"""What only the leader knows; one that led before may say what was."""


def groups(times: Times) -> tuple[Group, ...]:
    """One group: they rest on no rule of their own."""
    half_an_hour, quarter = times.seconds(30 * MINUTE), times.seconds(15 * MINUTE)
    return (
        Group(
            "vectorplane-operator",
            (
                Alert(
                    "VectorplaneOperatorHasNoLeader",
                    f"sum {_BY} (vectorplane_leader) < 1 or absent(vectorplane_leader)",
                    times.span(2 * MINUTE),
                    "critical",
                    "No replica of the vectorplane operator leads.",
                    "Collections are served as they are, but no change of a manifest is carried "
                    "out.",
                ),
                Alert(
                    "VectorplaneOperatorHasTwoLeaders",
                    f"sum {_BY} (vectorplane_leader) > 1",
                    times.span(2 * MINUTE),
                    "critical",
                    "{{ $value }} replicas of the vectorplane operator lead.",
                    "They do not share a Lease, so each may undo what the other does.",
                ),
                Alert(
                    "VectorplaneStoreDown",
                    f"max {_BY[:-1]}, store) (vectorplane_store_up) == 0",
                    times.span(5 * MINUTE),
                    "critical",
                    "The VectorStore {{ $labels.store }} does not answer.",
                    "Its collections wait, and searches in it fail. See the conditions of the "
                    "VectorStore.",
                ),
                Alert(
                    "VectorplaneCollectionsNotReady",
                    # A store that is down says so itself.
                    f"max {_BY[:-1]}, store) (vectorplane_not_ready_seconds) > {half_an_hour} "
                    f"unless on (namespace, job, store) (vectorplane_store_up == 0)",
                    times.span(MINUTE),
                    "warning",
                    "A VectorCollection of the store {{ $labels.store }} is not Ready for "
                    "{{ $value | humanizeDuration }}.",
                    "The reason stands in it: kubectl get vcol -A.",
                ),
                Alert(
                    "VectorplaneRebuildStuck",
                    f"max {_BY} (vectorplane_rebuild_stalled_seconds) > {quarter} or "
                    f'max {_BY} (vectorplane_rebuilds{{phase="Failed"}}) > 0',
                    times.span(MINUTE),
                    "warning",
                    "A rebuild makes no step, or failed.",
                    "The collection before it goes on serving. See status.rebuild of the "
                    "collections.",
                ),
                Alert(
                    "VectorplaneKeyExpires",
                    f"min {_BY} (vectorplane_access_key_life_left_ratio) < 0.2",
                    times.span(10 * MINUTE),
                    "critical",
                    "The newest key of a VectorAccess has {{ $value | humanizePercentage }} of "
                    "its life left.",
                    "It should have been renewed at a third. Clients lose their access when it "
                    "ends.",
                ),
                Alert(
                    "VectorplaneSnapshotOverdue",
                    f"max {_BY} (vectorplane_snapshot_overdue_seconds) > {half_an_hour}",
                    times.span(MINUTE),
                    "warning",
                    "A scheduled snapshot is late by {{ $value | humanizeDuration }}.",
                    "What was written since the last one would be lost with the store.",
                ),
                Alert(
                    "VectorplaneProviderDown",
                    f"vectorplane_provider_up == 0 {_LEADS}",
                    times.span(10 * MINUTE),
                    "warning",
                    "The {{ $labels.provider }} does not take what the operator tells it.",
                    "What is exposed stays as it is; new collections and keys cannot be reached.",
                ),
                Alert(
                    "VectorplaneEndpointNotVerified",
                    f"sum {_BY[:-1]}, instance) (vectorplane_exposure"
                    '{condition="EndpointVerified",status!="True"}) > 0 '
                    f"{_LEADS}",
                    times.span(15 * MINUTE),
                    "warning",
                    "Requests to {{ $value }} exposed VectorCollections do not come through the "
                    "gateway.",
                    "Each of them says why in its condition EndpointVerified.",
                ),
            ),
        ),
    )
