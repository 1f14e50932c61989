"""What an answer of Kong's Admin API means for us: found objects, and errors that say who must act.

Kong repeats what it refuses, a duplicate key too. So its words are passed on only where they cannot
hold a secret, and never for credentials.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from vectorplane.adapters.connections import broken_by, place_of
from vectorplane.adapters.gateway.kong_admin.rendering import KEYS
from vectorplane.domain.exposure import Found
from vectorplane.errors import (
    GatewayFailed,
    GatewayReadOnly,
    GatewayRejected,
    GatewayUnauthorized,
    GatewayUnreachable,
    VectorplaneError,
)

MAX_SHOWN = 300
# Codes of Kong's own errors.
_FOREIGN_KEY, _UNIQUE, _UNSUPPORTED = 4, 5, 12
_SETS = ("tags", "protocols", "methods", "hosts", "paths", "snis")


def checked_place(url: str) -> str:
    """The Admin API's address without user, password, path and query. Raises `GatewayRejected`
    where it can be none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise GatewayRejected("Kong's Admin API has a port between 0 and 65535") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise GatewayRejected("the URL of Kong's Admin API is like http://kong-admin:8001")
    return place_of(url)


def found(answer: Mapping[str, Any]) -> Found:
    """An object as it stands there. What has no order is put in order, so that it can be
    compared with what is declared."""
    body = {
        name: sorted(value) if name in _SETS and isinstance(value, list) else value
        for name, value in answer.items()
    }
    config = body.get("config")
    if isinstance(config, Mapping) and isinstance(config.get("allow"), list):
        body["config"] = {**config, "allow": sorted(config["allow"])}
    tags = body.get("tags") or ()
    uid = next((tag.removeprefix("uid:") for tag in tags if tag.startswith("uid:")), "")
    return Found(body, uid)


def transport_error(error: Exception, place: str) -> VectorplaneError:
    """The error that a broken or missing connection means."""
    if isinstance(error, httpx.TimeoutException):
        return GatewayUnreachable(f"{place} gave no answer in time")
    return GatewayUnreachable(f"{place} cannot be reached{_cause(error)}")


def answer_error(answer: httpx.Response, place: str, kind: str, name: str) -> VectorplaneError:
    """The error that an answer means which is no success, about one object or a list of them."""
    status, said = answer.status_code, _said(answer)
    deleting = answer.request.method == "DELETE"
    code = said.get("code")
    about = f"{kind} {name}".rstrip()
    if status in (401, 403):
        return GatewayUnauthorized(
            f"{place} refuses us (HTTP {status}): look at the Admin API's token or certificate"
        )
    if code == _UNSUPPORTED:
        return GatewayReadOnly(
            f"the Kong at {place} has no database, so it takes no changes: use one with a database,"
            " or the gateway mode gateway-api with its ingress controller"
        )
    if status == 409 and code == _UNIQUE:
        taken = ", ".join(_taken(said.get("fields"), kind)) or "something"
        return GatewayRejected(f"{place}: {about}: another object has {taken} already")
    if code == _FOREIGN_KEY and not deleting:
        return GatewayFailed(f"{place}: {about}: what it belongs to is not there")
    if status in (404, 405):
        return GatewayRejected(
            f"{place} does not know {kind} (HTTP {status}): is it Kong's Admin API, with its"
            " bundled plugins enabled?"
        )
    if status == 429 or status >= 500 or status in (408, 425):
        return GatewayFailed(
            f"{place} answered HTTP {status}", retry_after=_seconds(answer.headers)
        )
    if 400 <= status < 500 and said:
        return GatewayRejected(f"{place} refuses {about}: {_words(said, kind)}")
    return GatewayFailed(f"{place} answered HTTP {status}, which Kong's Admin API does not")


def _said(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _taken(fields: object, kind: str) -> Iterator[str]:
    """What is in use already, with its value where that is no secret."""
    if not isinstance(fields, Mapping):
        return
    for name, value in sorted(fields.items()):
        if isinstance(value, Mapping):
            yield f"{name} {value.get('id', '?')}"
        elif value is not None:
            yield f"its {name}" if kind == KEYS else f"{name} {value}"


def _words(said: Mapping[str, Any], kind: str) -> str:
    if kind == KEYS:
        fields = said.get("fields")
        names = ", ".join(sorted(fields)) if isinstance(fields, Mapping) else ""
        return f"{said.get('name', 'it is wrong')}" + (f" ({names})" if names else "")
    return str(said.get("message", "it is wrong"))[:MAX_SHOWN]


def _seconds(headers: httpx.Headers) -> float | None:
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _cause(error: BaseException) -> str:
    match broken_by(error):
        case ssl.SSLCertVerificationError(verify_message=why):
            return f": its certificate is not trusted ({why})"
        case ssl.SSLError():
            return ": TLS failed"
        case ConnectionRefusedError():
            return ": connection refused"
    return ""
