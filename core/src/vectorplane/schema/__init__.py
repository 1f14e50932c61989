"""What the Kubernetes API server does with a custom resource before it takes it, done here.

Each module is one of its steps, in its order: `structure` (unknown fields, nulls, defaults), `meta`
(metadata), `values` (types, bounds, enums), `lists` (unique keys), `rules` (CEL). They read the
schema of the CRD, and speak the words of Kubernetes 1.34: kube-openapi's validator and
apimachinery's field errors. `tests/integration/crd` compares them with a real API server.
"""
