"""What the models of a manifest share: their base, CEL rules, names and numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

GROUP = "vectorplane.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
MAX_NAME = 63

SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""What Kubernetes takes as a name (RFC 1123)."""
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=SUBDOMAIN)]
Alias = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=SUBDOMAIN)]
VectorName = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9_.-]*$")]
Duration = Annotated[str, StringConstraints(max_length=12, pattern=r"^[0-9]+[smhd]$")]
"""Seconds, minutes, hours or days: `30s`, `24h`, `7d`."""
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Natural = Annotated[int, Field(ge=0, le=2**31 - 1)]
Natural64 = Annotated[int, Field(ge=0, le=2**63 - 1)]
Positive64 = Annotated[int, Field(ge=1, le=2**63 - 1)]


def rule(expression: str, message: str, field: str | None = None) -> dict[str, str]:
    """A CEL rule of a CRD schema; `self` is the object it stands on, `field` (".quantile") the
    place below it that the message is about.
    """
    return {"rule": expression, "message": message} | ({"fieldPath": field} if field else {})


def rules(*all_rules: dict[str, str]) -> dict[str, Any]:
    """Put CEL rules on a model."""
    return {"x-kubernetes-validations": list(all_rules)}


class Part(BaseModel):
    """Base of everything in a manifest: camelCase outside, no unknown field, no coercion."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


def seconds(duration: str) -> float:
    """A `Duration` in seconds."""
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
