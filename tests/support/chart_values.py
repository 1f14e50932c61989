"""Sets of values that between them reach every branch of the charts' templates."""

from __future__ import annotations

from typing import Any

from support.helm import KONG_APIS, OPERATOR, SERVICE, STORE_API

Json = dict[str, Any]
KONG_ADMIN = {
    "mode": "kong-admin",
    "url": "https://vectors.example.com",
    "verifyUrl": "http://kong-proxy.kong.svc",
    "admin": {
        "url": "https://kong-admin.kong.svc:8444",
        "tokenSecret": {"name": "kong", "key": "token"},
        "caSecret": {"name": "kong-ca"},
        "clientCertificateSecret": {"name": "kong-client"},
    },
}
CONSUL = {
    "url": "https://consul.consul.svc:8501",
    "datacenter": "dc1",
    "tokenSecret": {"name": "consul"},
    "caSecret": {"name": "consul-ca"},
    "clientCertificateSecret": {"name": "consul-client"},
}
MONITORED = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
}
PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kong"}}}]
PLACED = {
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "search", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "vectorplane"}},
        }
    ],
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"example.com/team": "search"},
    "podLabels": {"example.com/team": "search"},
    "extraEnv": [
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ],
    "serviceAccount": {"annotations": {"example.com/role": "search"}},
}
EVERYTHING: Json = {
    "global": {
        "imagePullSecrets": [{"name": "registry"}],
        "qdrant": {
            "url": "https://qdrant.example.com:6333",
            "apiKeySecret": {"name": "qdrant"},
            "caSecret": {"name": "qdrant-ca"},
        },
        "kong": KONG_ADMIN,
        "consul": CONSUL,
        "redis": {"urlSecret": {"name": "redis"}},
        "postgresql": {"urlSecret": {"name": "postgresql"}},
    },
    "metrics": {"dashboards": {"enabled": True}},
    OPERATOR: PLACED
    | {
        "metrics": MONITORED,
        "config": {"OPERATOR_LOG_LEVEL": "debug", "OPERATOR_RESYNC_SECONDS": 30},
        "networkPolicy": {"metricsFrom": PEERS, "egress": [{"ports": [{"port": 443}]}]},
        "store": {"spec": {"limits": {"maxCollections": 100}, "deletionPolicy": "Retain"}},
    },
    SERVICE: PLACED
    | {
        "metrics": MONITORED,
        "config": {"MAX_BATCH_SIZE": 500, "OIDC_ISSUER": "https://login.example.com"},
        "networkPolicy": {"from": PEERS, "egress": [{"ports": [{"port": 6333}]}]},
        "autoscaling": {"enabled": True},
        "rateLimits": {"enabled": True},
        "searchCache": {"enabled": True},
        "apiKeysSecret": {"name": "keys"},
        "service": {"type": "NodePort", "annotations": {"example.com/team": "search"}},
    },
}
BARE: Json = {
    "global": {"access": {"enabled": False}, "kong": {"mode": "none"}},
    OPERATOR: {
        "crds": {"install": False},
        "store": {"create": False},
        "rbac": {"create": False, "userRoles": False},
        "serviceAccount": {"create": False, "name": "mine"},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "replicaCount": 1,
    },
    SERVICE: {
        "serviceAccount": {"create": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
        "apiKeysSecret": {"name": "keys"},
        "shutdown": {"delaySeconds": 0},
        "replicaCount": 1,
    },
}
SETS: dict[str, tuple[Json, tuple[str, ...]]] = {
    "as it comes": ({}, ()),
    "upgraded, with Kong in the cluster": ({}, (*KONG_APIS, STORE_API)),
    "everything": (EVERYTHING, (STORE_API,)),
    "next to nothing": (BARE, ()),
}
"""Values of the umbrella, and what the API serves beside Kubernetes' own kinds."""
