"""Kong in Kubernetes, by objects that its ingress controller reads."""

from vectorplane.adapters.gateway.gateway_api.objects import (
    CrdsMissing,
    NotOurs,
    ObjectRefused,
    Objects,
)
from vectorplane.adapters.gateway.gateway_api.provider import GatewayApi

__all__ = ["CrdsMissing", "GatewayApi", "NotOurs", "ObjectRefused", "Objects"]
