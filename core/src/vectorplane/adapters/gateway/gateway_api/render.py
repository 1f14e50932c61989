"""From wishes to objects of a cluster. Pure.

A way to a collection is two HTTPRoutes, for Kong attaches its plugins to a route, and who may write
is asked otherwise than who may read. By the Gateway API's rules of precedence the one for writing
wins where it matches at all:

    | request                             | the route for writing    | for reading           |
    | ----------------------------------- | ------------------------ | --------------------- |
    | PUT, PATCH, DELETE below the path   | same prefix, and method  | the prefix            |
    | POST to points/delete, or /payload  | longer prefix            | the prefix            |
    | all else, OPTIONS as well           | nothing                  | the prefix            |

They are prefixes and no exact paths: `points/delete/` with a slash is no way around. Kong's own
router without expressions, which counts what matched, comes to the same.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectorplane.adapters.gateway.gateway_api.kinds import (
    ACL,
    CONSUMER,
    CREDENTIAL,
    GRANT,
    KEY_AUTH,
    KINDS,
    MANAGED_BY,
    MANAGER,
    PLUGIN,
    ROUTE,
    SECRET,
    UID,
    Kind,
    ref_of,
)
from vectorplane.adapters.gateway.gateway_api.names import (
    consumer_name,
    grant_name,
    name_of,
    secret_name,
)
from vectorplane.adapters.gateway.gateway_api.plugins import Plugin, groups, shared
from vectorplane.domain.exposure import Body, Credential, Exposure, Owner, Ref, Wish

Json = dict[str, Any]
_VERSION = "vectorplane.dev/v1alpha1"
_GROUP = "gateway.networking.k8s.io"
_WRITES = ("PUT", "PATCH", "DELETE")
_POSTS = ("/points/delete", "/points/payload")
"""Where a POST changes something."""


@dataclass(frozen=True, slots=True)
class Place:
    """The Gateway that routes are attached to (`listener`: all of its listeners where empty), the
    Service behind it, and the ingress class that Kong's controller takes consumers of."""

    gateway_name: str
    gateway_namespace: str
    listener: str
    service_name: str
    service_namespace: str
    service_port: int
    ingress_class: str = "kong"


def render(wish: Wish, place: Place) -> Mapping[Ref, Body]:
    """The objects of one wish. What stands in a registry is none of them."""
    match wish:
        case Exposure():
            made = _exposure(wish, place)
        case Credential():
            made = _credential(wish, place)
        case _:
            return {}
    return {_ref(body): body for body in made}


def _exposure(it: Exposure, place: Place) -> list[Json]:
    owner, namespace = it.owner, _home(it.owner, place)
    common = shared(it)

    def plugin(role: str, said: Plugin) -> Json:
        name, config = said
        # What keeps others out must not be switched off by hand: that is drift.
        content = {"plugin": name, "config": config, "disabled": False}
        return _object(PLUGIN, namespace, name_of(owner, role), owner, content)

    def route(role: str, allowed: str, matches: list[Json]) -> Json:
        names = ",".join(sorted(name_of(owner, r) for r in (*common, allowed)))
        rules = [_rule(it, match, place) for match in matches]
        spec = {"parentRefs": [_parent(place)], "rules": rules}
        name, notes = name_of(owner, role), {"konghq.com/plugins": names}
        return _object(ROUTE, namespace, name, owner, {"spec": spec}, annotations=notes)

    everything = [_match(it.path)]
    made = [plugin(role, said) for role, said in common.items()]
    made.append(plugin("readers", groups(it.readers)))
    made.append(route("read", "readers", everything))
    if it.readers != it.writers:
        made.append(plugin("writers", groups(it.writers)))
        changing = [_match(it.path, method) for method in _WRITES]
        changing += [_match(it.path + below, "POST") for below in _POSTS]
        made.append(route("write", "writers", changing))
    if namespace != place.service_namespace:
        made.append(_grant(owner, namespace, place))
    return made


def _match(path: str, method: str | None = None) -> Json:
    """A prefix counts by whole segments."""
    match: Json = {"path": {"type": "PathPrefix", "value": path}}
    return {**match, "method": method} if method else match


def _rule(it: Exposure, match: Json, place: Place) -> Json:
    # A rule that replaces a prefix may have one match only.
    path: str = match["path"]["value"]
    upstream = it.upstream + path.removeprefix(it.path)
    rule: Json = {"matches": [match], "backendRefs": [_backend(place)]}
    if path != upstream:
        rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": upstream}
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}]
    return rule


def _parent(place: Place) -> Json:
    parent = {
        "group": _GROUP,
        "kind": "Gateway",
        "namespace": place.gateway_namespace,
        "name": place.gateway_name,
    }
    return {**parent, "sectionName": place.listener} if place.listener else parent


def _backend(place: Place) -> Json:
    return {
        "group": "",
        "kind": "Service",
        "namespace": place.service_namespace,
        "name": place.service_name,
        "port": place.service_port,
    }


def _grant(owner: Owner, namespace: str, place: Place) -> Json:
    """Lets routes of a namespace lead to the Service. One for each way, so that it goes with it,
    whoever else of that namespace needs one."""
    spec = {
        "from": [{"group": _GROUP, "kind": "HTTPRoute", "namespace": namespace}],
        "to": [{"group": "", "kind": "Service", "name": place.service_name}],
    }
    return _object(GRANT, place.service_namespace, grant_name(owner), owner, {"spec": spec})


def _credential(it: Credential, place: Place) -> list[Json]:
    owner, namespace = it.owner, _home(it.owner, place)

    def secret(name: str, credential: str, field: str, value: str) -> Json:
        # Not `stringData`: what is declared must be what a survey gives.
        data = {field: base64.b64encode(value.encode()).decode()}
        content, labels = {"type": "Opaque", "data": data}, {CREDENTIAL: credential}
        return _object(SECRET, namespace, name, owner, content, labels=labels)

    secrets = [
        secret(secret_name(it, "key", key), KEY_AUTH, "key", value)
        for key, value in sorted(it.keys.items())
    ]
    secrets += [
        secret(secret_name(it, "group", group), ACL, "group", group)
        for group in sorted(set(it.groups))
    ]
    content = {
        "username": it.username,
        "custom_id": it.username if owner.kind == "Service" else owner.uid,
        "credentials": [made["metadata"]["name"] for made in secrets],
    }
    notes = {"kubernetes.io/ingress.class": place.ingress_class}
    name = consumer_name(it)
    return [*secrets, _object(CONSUMER, namespace, name, owner, content, annotations=notes)]


def _home(owner: Owner, place: Place) -> str:
    """The namespace of what is made for an owner."""
    return place.service_namespace if owner.kind == "Service" else owner.key.namespace


def _object(
    kind: Kind,
    namespace: str,
    name: str,
    owner: Owner,
    content: Json,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    metadata: Json = {
        "name": name,
        "namespace": namespace,
        "labels": {MANAGED_BY: MANAGER, UID: owner.uid, **(labels or {})},
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owner.kind != "Service" and owner.key.namespace == namespace:
        metadata["ownerReferences"] = [
            {
                "apiVersion": _VERSION,
                "kind": owner.kind,
                "name": owner.key.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}


def _ref(body: Json) -> Ref:
    metadata = body["metadata"]
    return ref_of(KINDS[body["kind"]], metadata["namespace"], metadata["name"])
