"""The CustomResourceDefinitions, made from the models in `spec.py` and `spec_status.py`.

The models are the one source: `python -m vectorplane.crd` writes the CRDs and the field tables from
them, `--check` fails where a file differs, and `manifest.py` validates against the same schemas.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from vectorplane.spec import VectorCollectionSpec
from vectorplane.spec_base import GROUP, MAX_NAME, VERSION, rule
from vectorplane.spec_exposure import VectorAccessSpec
from vectorplane.spec_status import (
    VectorAccessStatus,
    VectorCollectionStatus,
    VectorStoreStatus,
)
from vectorplane.spec_store import VectorStoreSpec

Schema = dict[str, Any]

_READY = '.status.conditions[?(@.type=="Ready")]'
_MAX_INT64 = 2**63 - 1
_ORDER = (
    "description",
    "type",
    "format",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)
"""The keys of a schema that are carried over, in the order that they are written in."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource."""

    kind: str
    plural: str
    short: str
    namespaced: bool
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[Column, ...]
    rules: tuple[Mapping[str, str], ...] = ()
    """CEL rules on the whole object."""

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"


KINDS = {
    kind.kind: kind
    for kind in (
        Kind(
            kind="VectorCollection",
            plural="vectorcollections",
            short="vcol",
            namespaced=True,
            description="A vector collection: its shape, its indexes, and who serves it.",
            spec=VectorCollectionSpec,
            status=VectorCollectionStatus,
            columns=(
                Column("Ready", f"{_READY}.status"),
                Column("Reason", f"{_READY}.reason"),
                Column("Points", ".status.collection.points", "integer"),
                Column("Store", ".status.store"),
                Column("Endpoint", ".status.endpoint"),
                Column("Age", ".metadata.creationTimestamp", "date"),
            ),
            rules=(
                rule(
                    f"size(self.metadata.name) <= {MAX_NAME}",
                    f"may have no more than {MAX_NAME} characters, for it becomes part of the"
                    " collection's name and the value of labels",
                    ".metadata.name",
                ),
            ),
        ),
        Kind(
            kind="VectorStore",
            plural="vectorstores",
            short="vstore",
            namespaced=False,
            description="A store that vector collections live in.",
            spec=VectorStoreSpec,
            status=VectorStoreStatus,
            columns=(
                Column("Ready", f"{_READY}.status"),
                Column("Version", ".status.version"),
                Column("Collections", ".status.collections", "integer"),
                Column("Default", ".spec.default", "boolean"),
                Column("Age", ".metadata.creationTimestamp", "date"),
            ),
        ),
        Kind(
            kind="VectorAccess",
            plural="vectoraccesses",
            short="vaccess",
            namespaced=True,
            description="A key for a collection, in a Secret.",
            spec=VectorAccessSpec,
            status=VectorAccessStatus,
            columns=(
                Column("Ready", f"{_READY}.status"),
                Column("Reason", f"{_READY}.reason"),
                Column("Collection", ".spec.collection"),
                Column("Secret", ".status.secretName"),
                Column("Expires", ".status.expires", "date"),
                Column("Age", ".metadata.creationTimestamp", "date"),
            ),
        ),
    )
}


@cache
def shared_schema(kind: str) -> Schema:
    """The structural schema of a kind, root included. One for all who ask: not to be changed."""
    resource = KINDS[kind]
    root: Schema = {
        "description": resource.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": _structural(resource.spec),
            "status": _structural(resource.status),
        },
    }
    if resource.rules:
        root["x-kubernetes-validations"] = [dict(r) for r in resource.rules]
    return root


def schema(kind: str) -> Schema:
    """The OpenAPI v3 schema of a kind, as in its CRD: a copy."""
    return copy.deepcopy(shared_schema(kind))


def crd(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    resource = KINDS[kind]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": resource.crd_name,
            "labels": {"app.kubernetes.io/part-of": "vectorplane"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short],
                "categories": ["vectorplane"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": c.name, "type": c.type, "jsonPath": c.path}
                        for c in resource.columns
                    ],
                    "schema": {"openAPIV3Schema": schema(kind)},
                }
            ],
        },
    }


def _structural(model: type[BaseModel]) -> Schema:
    """A model's JSON schema as Kubernetes takes it: no references, no null, one type each."""
    raw = model.model_json_schema(by_alias=True)
    return _node(raw, raw.get("$defs", {}))


def _node(raw: Mapping[str, Any], defs: Mapping[str, Any]) -> Schema:
    node = dict(raw)
    if "anyOf" in node:
        (only,) = (option for option in node.pop("anyOf") if option.get("type") != "null")
        node = {**only, **node}
    if "$ref" in node:
        name = node.pop("$ref").rsplit("/", 1)[-1]
        node = {**defs[name], **node}
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("default", ...) is None:
        del node["default"]
    if "properties" in node:
        node["properties"] = {k: _node(v, defs) for k, v in node["properties"].items()}
    if isinstance(values := node.pop("additionalProperties", None), Mapping):
        node["additionalProperties"] = _node(values, defs)
    if "items" in node:
        node["items"] = _node(node["items"], defs)
    if "x-kubernetes-list-map-keys" in node:
        node["x-kubernetes-list-type"] = "map"
    if node["type"] == "integer":
        node["format"] = "int64"
        if node.get("maximum") == _MAX_INT64:
            # The API server holds a bound as a float, and this one would turn negative in it.
            del node["maximum"]
    if node["type"] == "number":
        node["format"] = "double"
    return {key: node[key] for key in _ORDER if key in node}


if __name__ == "__main__":  # pragma: no cover
    from vectorplane.crd_files import main

    main()
