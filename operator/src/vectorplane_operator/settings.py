"""The operator's settings: every variable that it reads, with its default and what it is for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vectorplane_operator.exposure_settings import ExposureSettings

LogFormat = Literal["json", "console"]


class OperatorSettings(ExposureSettings):
    """How the operator runs."""

    operator_http_host: str = Field("0.0.0.0", description="Address of /metrics and the probes.")
    operator_http_port: int = Field(
        8080, ge=0, le=65535, description="Port of /metrics and the probes; 0 takes a free one."
    )
    operator_resync_seconds: float = Field(
        60.0, gt=0, description="Seconds between sweeps of a store, and between its probes."
    )
    operator_relist_seconds: float = Field(
        300.0, gt=0, description="Seconds between lists of all resources, for what a watch missed."
    )
    operator_looks_per_store: int = Field(
        64, ge=1, description="Collections of one store that are looked at at once."
    )
    operator_cluster_id: str = Field(
        "",
        description="What stands for this cluster in ownership records; the UID of the namespace"
        " kube-system where it is empty.",
    )
    operator_stop_seconds: float = Field(
        10.0, ge=0, description="Seconds that looks under way have to end when the operator stops."
    )
    operator_leader_election: bool = Field(
        True, description="Whether a Lease says which replica acts; false only for a single one."
    )
    operator_lease_namespace: str = Field(
        "", description="Namespace of the Lease; that of the operator's pod where it is empty."
    )
    operator_lease_name: str = Field(
        "vectorplane-operator", min_length=1, description="Name of the Lease: one per installation."
    )
    operator_lease_seconds: int = Field(
        10,
        ge=2,
        le=300,
        description="Seconds after which the Lease of a replica that died is taken by another one.",
    )
    operator_log_format: LogFormat = Field("json", description="Log lines: json or console.")
    operator_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
