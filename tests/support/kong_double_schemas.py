"""The entities of Kong 3.9 that we use. `tests/contract/gateway/test_kong_api.py` holds them, and
what is said where they are wrong, against a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from support.kong_double_fields import (
    AUTO,
    METHODS,
    PROTOCOLS,
    Field,
    Json,
    between,
    filled,
    header,
    host,
    matches,
    name,
    one_of,
    path,
    positive,
    route_path,
    tag,
    value_of,
)

_ID, _TIME = Field("string", AUTO), Field("integer", AUTO)
_TIMES = {"created_at": _TIME, "updated_at": _TIME}
_TAGS = Field("set", element=Field("string", check=tag))
_STRINGS = Field("array", element=Field("string"))
_TIMEOUT = Field("integer", 60000, check=between(1, 2**31 - 2))
_NAME = Field("string", check=name)


def _flag(default: bool) -> Field:
    return Field("boolean", default, required=True)


def _foreign(required: bool = False) -> Field:
    return Field("foreign", required=required)


ENTITIES: dict[str, dict[str, Field]] = {
    "services": {
        "id": _ID,
        **_TIMES,
        "name": _NAME,
        "retries": Field("integer", 5, check=between(0, 32767)),
        "protocol": Field("string", "http", True, one_of(*PROTOCOLS)),
        "host": Field("string", required=True, check=host),
        "port": Field("integer", 80, True, between(0, 65535)),
        "path": Field("string", check=path),
        "connect_timeout": _TIMEOUT,
        "write_timeout": _TIMEOUT,
        "read_timeout": _TIMEOUT,
        "tags": _TAGS,
        "client_certificate": _foreign(),
        "tls_verify": Field("boolean"),
        "tls_verify_depth": Field("integer", check=between(0, 64)),
        "ca_certificates": _STRINGS,
        "enabled": _flag(True),
    },
    "routes": {
        "id": _ID,
        **_TIMES,
        "name": _NAME,
        "protocols": Field(
            "set", ["http", "https"], True, element=Field("string", check=one_of(*PROTOCOLS))
        ),
        "https_redirect_status_code": Field("integer", 426, True),
        "strip_path": _flag(True),
        "preserve_host": _flag(False),
        "request_buffering": _flag(True),
        "response_buffering": _flag(True),
        "tags": _TAGS,
        "service": _foreign(),
        "snis": Field("set", element=Field("string")),
        "sources": Field("set"),
        "destinations": Field("set"),
        "methods": Field("set", element=Field("string", check=matches("[A-Z]+"))),
        "hosts": _STRINGS,
        "paths": Field("array", element=Field("string", check=route_path)),
        "headers": Field("map"),
        "regex_priority": Field("integer", 0),
        "path_handling": Field("string", "v0", check=one_of("v0", "v1")),
    },
    "consumers": {
        "id": _ID,
        **_TIMES,
        "username": Field("string"),
        "custom_id": Field("string"),
        "tags": _TAGS,
    },
    "plugins": {
        "id": _ID,
        **_TIMES,
        "name": Field("string", required=True),
        "instance_name": _NAME,
        "route": _foreign(),
        "service": _foreign(),
        "consumer": _foreign(),
        "config": Field("map", {}, True),
        "protocols": Field("set", ["grpc", "grpcs", "http", "https"], True),
        "enabled": _flag(True),
        "tags": _TAGS,
    },
    "key-auths": {
        "id": _ID,
        "created_at": _TIME,
        "consumer": _foreign(required=True),
        "key": Field("string"),
        "ttl": Field("integer"),
        "tags": _TAGS,
    },
    "acls": {
        "id": _ID,
        "created_at": _TIME,
        "consumer": _foreign(required=True),
        "group": Field("string", required=True),
        "tags": _TAGS,
    },
}

_LISTS = {"body": [], "headers": [], "querystring": []}
_CHANGED = {name: Field("array", [], True, element=Field("string")) for name in _LISTS}
_PERIODS = ("second", "minute", "hour", "day", "month", "year")
PLUGINS: dict[str, dict[str, Field]] = {
    "key-auth": {
        "key_names": Field("array", ["apikey"], True, element=Field("string", check=header)),
        "hide_credentials": _flag(False),
        "anonymous": Field("string"),
        "key_in_header": _flag(True),
        "key_in_query": _flag(True),
        "key_in_body": _flag(False),
        "run_on_preflight": _flag(True),
        "realm": Field("string"),
    },
    "acl": {
        "allow": _STRINGS,
        "deny": _STRINGS,
        "hide_groups_header": _flag(False),
        "always_use_authenticated_groups": _flag(False),
    },
    "rate-limiting": {
        **{period: Field("number", check=positive) for period in _PERIODS},
        "limit_by": Field(
            "string",
            "consumer",
            check=one_of("consumer", "credential", "ip", "service", "header", "path"),
        ),
        "header_name": Field("string", check=header),
        "path": Field("string", check=path),
        "policy": Field("string", "local", check=one_of("local", "cluster", "redis")),
        "fault_tolerant": _flag(True),
        "redis": Field("map", {"port": 6379, "timeout": 2000, "database": 0, "ssl": False}),
        "hide_client_headers": _flag(False),
        "error_code": Field("number", 429, check=positive),
        "error_message": Field("string", "API rate limit exceeded"),
        "sync_rate": Field("number", -1, True),
    },
    "request-size-limiting": {
        "allowed_payload_size": Field("integer", 128),
        "size_unit": Field("string", "megabytes", True, one_of("megabytes", "kilobytes", "bytes")),
        "require_content_length": _flag(False),
    },
    "correlation-id": {
        "header_name": Field("string", "Kong-Request-ID"),
        "generator": Field(
            "string", "uuid#counter", True, one_of("uuid", "uuid#counter", "tracker")
        ),
        "echo_downstream": _flag(False),
    },
    "cors": {
        "origins": _STRINGS,
        "headers": _STRINGS,
        "exposed_headers": _STRINGS,
        "methods": Field("array", METHODS, element=Field("string", check=one_of(*METHODS))),
        "max_age": Field("number"),
        "credentials": _flag(False),
        "private_network": _flag(False),
        "preflight_continue": _flag(False),
    },
    "prometheus": {
        name: Field("boolean", False)
        for name in (
            "per_consumer",
            "status_code_metrics",
            "ai_metrics",
            "latency_metrics",
            "bandwidth_metrics",
            "upstream_health_metrics",
        )
    },
    "request-transformer": {
        "http_method": Field("string", check=matches("[A-Z]+")),
        "replace": Field("record", fields={**_CHANGED, "uri": Field("string")}),
        **{
            name: Field("record", fields=_CHANGED) for name in ("remove", "rename", "add", "append")
        },
    },
}
_NO_CONSUMER = ("key-auth", "acl", "cors")


def checked(kind: str, given: Json) -> tuple[Json, Json]:
    """An entity with its defaults, and what is wrong with it."""
    stored, errors = filled(ENTITIES[kind], given)
    match kind:
        case "plugins" if stored["name"] in PLUGINS and "name" not in errors:
            fields = PLUGINS[stored["name"]]
            # What is left out is made of defaults; null is not.
            config = Field("record", {}, True, fields=fields)
            stored["config"], wrong = value_of(config, given.get("config", {}))
            errors |= {"config": wrong} if wrong else {}
            if stored["consumer"] and stored["name"] in _NO_CONSUMER:
                errors["consumer"] = "value must be null"
        case "plugins" if "name" not in errors:
            errors = {
                "name": f"plugin '{stored['name']}' not enabled; add it to the 'plugins'"
                " configuration property"
            }
        case "routes" if (wrong := _protocols(stored["protocols"])) is not None:
            errors["protocols"] = wrong
    if not errors and (entity := list(_entity_checks(kind, stored))):
        errors["@entity"] = entity
    return stored, errors


def _protocols(given: Any) -> str | None:
    """Routes are of the kind that their first protocol says."""
    if isinstance(given, list) and (not given or given[0] not in PROTOCOLS):
        return f"unknown type: {given[0] if given else 'nil'}"
    return None


def _entity_checks(kind: str, stored: Json) -> Iterator[str]:
    config = stored.get("config") or {}
    nonempty = "of these fields must be non-empty:"
    if kind == "consumers" and not (stored["username"] or stored["custom_id"]):
        yield f"at least one {nonempty} 'custom_id', 'username'"
    if kind == "routes" and not any(stored[n] for n in ("methods", "hosts", "headers", "paths")):
        if "https" in stored["protocols"]:
            yield "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when" + (
                " 'protocols' is 'https'"
            )
        else:
            yield "must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is" + (
                " 'http'"
            )
    if kind == "plugins" and stored["name"] == "acl":
        given = [name for name in ("allow", "deny") if config[name]]
        if len(given) != 1:
            yield f"exactly one {nonempty} 'config.allow', 'config.deny'"
        if not given:
            yield f"at least one {nonempty} 'config.allow', 'config.deny'"
    if kind == "plugins" and stored["name"] == "rate-limiting":
        if not any(config[period] for period in _PERIODS):
            names = ", ".join(f"'config.{period}'" for period in _PERIODS)
            yield f"at least one {nonempty} {names}"
