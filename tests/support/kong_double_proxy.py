"""What a doubled Kong does with a client's request: routes, then plugins by priority, then the
upstream. As Kong 3.9 does it with its usual router, for what we declare (paths and methods)."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from support.kong_double_fields import Json, regex
from support.kong_double_store import Entities

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_ORDER = ("correlation-id", "cors", "key-auth", "request-size-limiting", "acl", "rate-limiting")
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}
_REFUSED = "You cannot consume this service"


class Match:
    """A route that a request meets, and how."""

    def __init__(self, route: Json, service: Json, prefix: str, captures: dict[str, str]) -> None:
        self.route = route
        self.service = service
        self.prefix = prefix
        self.captures = captures


class Exit(Exception):
    """An answer that no upstream gives."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(status)
        self.status = status
        self.body = {"message": message}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Passing:
    """One request on its way."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.request = request
        self.body = body
        self.path = normalized(request.raw_path.partition("?")[0])
        self.headers = CIMultiDict(
            (k, v) for k, v in request.headers.items() if k.lower() not in _HOP
        )
        self.downstream: CIMultiDict[str] = CIMultiDict()
        self.consumer: Json | None = None


class Proxy:
    """The way from a client to the upstream, over the entities of the Admin API."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities
        self._counted: Counter[tuple[str, str, int]] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        passing = Passing(request, await request.read())
        try:
            return await self._pass(passing)
        except Exit as exit:
            body = {**exit.body, "request_id": uuid4().hex}
            headers = {**passing.downstream, **exit.headers}
            return web.json_response(body, status=exit.status, headers=headers)

    async def _pass(self, passing: Passing) -> web.Response:
        match = self._match(passing.request.method, passing.path)
        if match is None:
            raise Exit(404, "no Route matched with those values")
        plugins = self._plugins(match)
        for name in _ORDER:
            if name in plugins:
                getattr(self, f"_{name.replace('-', '_')}")(plugins[name], passing)
        uri = _upstream_uri(match, passing.path)
        if changed := plugins.get("request-transformer"):
            uri = _put_back(changed["config"]["replace"]["uri"], match) or uri
        return await _forward(passing, match.service, uri)

    def _match(self, method: str, path: str) -> Match | None:
        found: list[tuple[tuple[int, ...], Match]] = []
        for route in self._entities.kinds["routes"].values():
            if route["hosts"] or route["headers"] or route["snis"]:
                continue  # nobody asks this one by a name
            if route["methods"] and method not in route["methods"]:
                continue
            service = self._entities.kinds["services"].get((route["service"] or {}).get("id", ""))
            if service is None or not service["enabled"]:
                continue
            for pattern in route["paths"] or ["/"]:
                weight = bool(route["methods"]) + bool(route["paths"])
                if pattern.startswith("~"):
                    if met := re.match(regex(pattern), path):
                        rank = (weight, 1, route["regex_priority"] or 0, 0)
                        found.append((rank, Match(route, service, met[0], met.groupdict())))
                elif path.startswith(pattern):
                    rank = (weight, 0, 0, len(pattern))
                    found.append((rank, Match(route, service, pattern, {})))
        return max(found, key=lambda one: one[0])[1] if found else None

    def _plugins(self, match: Match) -> dict[str, Json]:
        """One of each name: that of the route goes before that of the service."""
        chosen: dict[str, Json] = {}
        for at, name in (("service", match.service["id"]), ("route", match.route["id"])):
            for plugin in self._entities.kinds["plugins"].values():
                if (plugin[at] or {}).get("id") == name and plugin["enabled"]:
                    chosen[plugin["name"]] = plugin
        return chosen

    def _correlation_id(self, plugin: Json, passing: Passing) -> None:
        name = plugin["config"]["header_name"]
        said = passing.headers.setdefault(name, str(uuid4()))
        if plugin["config"]["echo_downstream"]:
            passing.downstream[name] = said

    def _cors(self, plugin: Json, passing: Passing) -> None:
        config, asked = plugin["config"], passing.request.headers
        origin, allowed = asked.get("origin"), config["origins"] or ["*"]
        if "*" in allowed:
            passing.downstream["Access-Control-Allow-Origin"] = "*"
        elif len(allowed) == 1 or origin in allowed:
            passing.downstream["Vary"] = "Origin"
            said = allowed[0] if len(allowed) == 1 else str(origin)
            passing.downstream["Access-Control-Allow-Origin"] = said
        preflight = origin and "access-control-request-method" in asked
        if passing.request.method != "OPTIONS" or not preflight:
            if config["exposed_headers"]:
                said = ",".join(config["exposed_headers"])
                passing.downstream["Access-Control-Expose-Headers"] = said
            return
        headers = {"Access-Control-Allow-Methods": ",".join(config["methods"])}
        if wanted := asked.get("access-control-request-headers"):
            headers["Access-Control-Allow-Headers"] = wanted
        if config["max_age"] is not None:
            headers["Access-Control-Max-Age"] = str(config["max_age"])
        raise Exit(200, "", **headers)

    def _key_auth(self, plugin: Json, passing: Passing) -> None:
        config, asked = plugin["config"], passing.request
        given: list[str] = []
        for name in config["key_names"]:
            given += asked.headers.getall(name, []) if config["key_in_header"] else []
            given += asked.query.getall(name, []) if config["key_in_query"] else []
        if not given or not given[0]:
            raise Exit(401, "No API key found in request", WWW_Authenticate="Key")
        if len(given) > 1:
            raise Exit(401, "Duplicate API key found", WWW_Authenticate="Key")
        for credential in self._entities.kinds["key-auths"].values():
            if credential["key"] == given[0]:
                consumer = self._entities.kinds["consumers"][credential["consumer"]["id"]]
                passing.consumer = consumer
                passing.headers["X-Consumer-ID"] = consumer["id"]
                passing.headers["X-Consumer-Username"] = consumer["username"] or ""
                return
        raise Exit(401, "Unauthorized", WWW_Authenticate="Key")

    def _request_size_limiting(self, plugin: Json, passing: Passing) -> None:
        unit = {"bytes": 1, "kilobytes": 2**10, "megabytes": 2**20}[plugin["config"]["size_unit"]]
        if len(passing.body) > plugin["config"]["allowed_payload_size"] * unit:
            raise Exit(413, "Request size limit exceeded")

    def _acl(self, plugin: Json, passing: Passing) -> None:
        if passing.consumer is None:
            raise Exit(401, "Unauthorized")
        groups = {
            one["group"]
            for one in self._entities.kinds["acls"].values()
            if one["consumer"]["id"] == passing.consumer["id"]
        }
        config = plugin["config"]
        if config["deny"] and groups & set(config["deny"]):
            raise Exit(403, _REFUSED)
        if config["allow"] and not groups & set(config["allow"]):
            raise Exit(403, _REFUSED)

    def _rate_limiting(self, plugin: Json, passing: Passing) -> None:
        config, now = plugin["config"], time.time()
        who = passing.consumer["id"] if passing.consumer else str(passing.request.remote)
        limits = {p: config[p] for p in _SECONDS if config[p] is not None}
        counters = {p: (plugin["id"] + p, who, int(now // _SECONDS[p])) for p in limits}
        left = {p: limits[p] - self._counted[counters[p]] for p in limits}
        tightest = min(left, key=lambda period: left[period])
        reset = max(1, math.ceil(_SECONDS[tightest] - now % _SECONDS[tightest]))
        over = left[tightest] <= 0
        passing.downstream["RateLimit-Limit"] = str(int(limits[tightest]))
        passing.downstream["RateLimit-Remaining"] = str(max(0, int(left[tightest]) - 1))
        passing.downstream["RateLimit-Reset"] = str(reset)
        if over:
            raise Exit(config["error_code"], config["error_message"], Retry_After=str(reset))
        for counter in counters.values():
            self._counted[counter] += 1


def normalized(path: str) -> str:
    """A path as Kong's router sees it: reserved signs stay encoded, dots and slashes are joined."""

    def decoded(sign: re.Match[str]) -> str:
        plain = chr(int(sign[1], 16))
        return sign[0].upper() if plain in "!*'();:@&=+$,/?%#[]" else unquote(sign[0])

    kept: list[str] = []
    parts = re.sub("%([0-9A-Fa-f]{2})", decoded, path).split("/")
    for part in parts[1:]:
        if part == "..":
            kept = kept[:-1]
        elif part not in ("", "."):
            kept.append(part)
    slash = "/" if kept and parts[-1] in ("", ".", "..") else ""
    return f"/{'/'.join(kept)}{slash}"


def _upstream_uri(match: Match, path: str) -> str:
    """The service's path, and what the route has not stripped (`path_handling` v0)."""
    base = match.service["path"] or "/"
    rest = path[len(match.prefix) :] if match.route["strip_path"] else path
    if not rest:
        return base if path.endswith("/") or base == "/" else base.rstrip("/")
    return f"{base.rstrip('/')}/{rest.lstrip('/')}"


def _put_back(template: str | None, match: Match) -> str:
    """A request-transformer's `replace.uri`."""
    return re.sub(
        r"\$\(uri_captures\.(\w+)\)", lambda name: match.captures[name[1]], template or ""
    )


async def _forward(passing: Passing, service: Json, uri: str) -> web.Response:
    at = f"{service['protocol']}://{service['host']}:{service['port']}"
    query = passing.request.raw_path.partition("?")[2]
    quoted = "".join(_quoted(uri))
    url = URL(f"{at}{quoted}" + (f"?{query}" if query else ""), encoded=True)
    request: dict[str, Any] = {"data": passing.body or None, "headers": passing.headers}
    try:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                passing.request.method, url, allow_redirects=False, **request
            ) as answer,
        ):
            body = await answer.read()
            headers = CIMultiDict(
                (k, v)
                for k, v in answer.headers.items()
                if k.lower() not in _HOP | {"content-length"}
            )
    except aiohttp.ClientError as error:
        raise Exit(502, "An invalid response was received from the upstream server") from error
    headers.update(passing.downstream)
    return web.Response(status=answer.status, body=body, headers=headers)


def _quoted(path: str) -> Iterator[str]:
    for sign in path.encode():
        plain = chr(sign)
        if re.match(r"[!#$&'()*+,/:;=?@\[\]A-Za-z\d\-_.~%]", plain):
            yield plain
        else:
            yield f"%{sign:02X}"
