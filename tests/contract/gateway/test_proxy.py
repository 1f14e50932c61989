"""What a gateway lets through, for those that have one here: asked as clients ask."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from support.cluster import wait
from support.echo import echo
from support.edges import EDGES
from support.edges import Edge as At
from support.wishes import Wishes
from vectorplane.domain.exposure import RateLimit, Wish

REACHES_SECONDS = 60
GONE_SECONDS = 10
"""How long a deleted key or route may still work."""
READS = [
    ("GET", "", ""),
    ("HEAD", "", ""),
    ("GET", "/points/7", "/points/7"),
    ("GET", "/points/a%20b", "/points/a%20b"),
    ("POST", "/search", "/search"),
    ("POST", "/search/batch", "/search/batch"),
    ("POST", "/points/retrieve", "/points/retrieve"),
    ("POST", "/points/scroll", "/points/scroll"),
    ("POST", "/points/count", "/points/count"),
    ("POST", "/points/deleted", "/points/deleted"),
    ("GET", "/points/delete", "/points/delete"),
]
WRITES = [
    ("PUT", "/points", "/points"),
    ("PATCH", "/points", "/points"),
    ("DELETE", "/documents/7", "/documents/7"),
    ("DELETE", "", ""),
    ("POST", "/points/delete", "/points/delete"),
    ("POST", "/points/payload", "/points/payload"),
]
DISGUISED = ["/points/%64elete", "//points//delete", "/points/./delete", "/search/../points/delete"]
DISGUISED += ["/points/delete/", "/points/delete?wait=true"]


@dataclass
class Edge:
    """A gateway with some ways and keys, and who made them."""

    at: At
    wishes: Wishes
    made: dict[str, Wish]

    def apply(self, **made: Wish | None) -> None:
        """Make some otherwise, or without."""
        for name, wish in made.items():
            self.made.pop(name, None)
            if wish:
                self.made[name] = wish
        asyncio.run(self._publish())

    async def _publish(self) -> None:
        await self.at.publish(list(self.made.values()))

    def ask(self, method: str, path: str, who: str | None = None, **more: Any) -> httpx.Response:
        """One request, below the path of the namespace, with the key of one of `made`."""
        headers: dict[str, str] = more.pop("headers", {})
        if who:
            headers = {**headers, "X-API-Key": self.wishes.key(who)}
        url = f"{self.at.proxy}/{self.wishes.namespace}{path}"
        # No certificates are loaded for each.
        with httpx.Client(timeout=60, trust_env=False, verify=False) as client:
            return client.request(method, url, headers=headers, **more)

    def ask_as_it_is(self, method: str, path: str, who: str) -> int:
        """The status of a request whose path no client has tidied up before."""
        connection = HTTPConnection(urlsplit(self.at.proxy).netloc, timeout=60)
        with closing(connection):
            headers = {"X-API-Key": self.wishes.key(who)}
            connection.request(method, f"/{self.wishes.namespace}{path}", headers=headers)
            return connection.getresponse().status

    def status(self, method: str, path: str, who: str | None = None) -> int:
        return self.ask(method, path, who).status_code


def _scenario(wishes: Wishes) -> dict[str, Wish]:
    shop = "https://shop.example"
    return {
        "products": wishes.exposure(rate_limit=None, origins=(shop, "http://localhost:3000")),
        "limited": wishes.exposure("limited", rate_limit=RateLimit(3, "hour"), max_body_bytes=1024),
        "leaving": wishes.exposure("leaving"),
        "service": wishes.service(),
        "reader": wishes.credential("reader", "read"),
        "writer": wishes.credential("writer", "read", "write"),
        "dropper": wishes.credential("dropper", "write"),
        "stranger": wishes.credential("stranger", "read", "write", of="limited"),
        "first": wishes.credential("first", "read", of="limited"),
        "second": wishes.credential("second", "read", of="limited"),
        "revoked": wishes.credential("revoked", "read"),
        "renewed": wishes.credential("renewed", "read"),
        "demoted": wishes.credential("demoted", "read", "write"),
        "leaver": wishes.credential("leaver", "read", of="leaving"),
    }


@pytest.fixture(scope="module", params=EDGES)
def edge(request: pytest.FixtureRequest) -> Iterator[Edge]:
    with echo() as upstream, EDGES[request.param](request, upstream) as at:
        wishes = Wishes()
        made = Edge(at, wishes, {})
        try:
            made.apply(**_scenario(wishes))

            def reached() -> bool:
                asked = ["/products", "/limited", "/leaving", "/api/v1/collections"]
                statuses = {made.status("GET", path) for path in asked}
                return statuses == {401} and made.status("PUT", "/products") == 401

            wait(reached, "the gateway knows the ways", seconds=REACHES_SECONDS)
            seen = [("reader", "/products", 200), ("leaver", "/leaving", 200)]
            for who, path, status in seen:
                wait(
                    lambda p=path, w=who, s=status: made.status("GET", p, w) == s,
                    f"{who} gets {status}",
                    seconds=REACHES_SECONDS,
                )
            yield made
        finally:
            made.apply(**dict.fromkeys(made.made))


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in READS + WRITES])
def test_nobody_gets_in_without_a_key(edge: Edge, method: str, path: str) -> None:
    answer = edge.ask(method, f"/products{path}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Key")


def test_a_key_that_nobody_has_or_that_is_elsewhere_is_none(edge: Edge) -> None:
    key = edge.wishes.key("reader")
    assert edge.status("GET", "/products", "nobody") == 401
    assert edge.ask("GET", "/products", params={"x-api-key": key}).status_code == 401
    assert edge.ask("GET", "/products", headers={"apikey": key}).status_code == 401
    body = edge.ask("POST", "/products/search", json={"x-api-key": key})
    assert body.status_code == 401


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in READS + WRITES])
def test_a_key_of_another_collection_is_refused(edge: Edge, method: str, path: str) -> None:
    assert edge.status(method, f"/products{path}", "stranger") == 403


@pytest.mark.parametrize(("method", "path", "inside"), READS)
def test_a_reader_may_read(edge: Edge, method: str, path: str, inside: str) -> None:
    for who in ("reader", "writer"):
        answer = edge.ask(method, f"/products{path}", who)
        assert answer.status_code == 200
        if method != "HEAD":
            at = f"{edge.at.inside}/api/v1/collections/{edge.wishes.namespace}.products{inside}"
            assert (answer.json()["method"], answer.json()["path"]) == (method, at)


@pytest.mark.parametrize(("method", "path", "inside"), WRITES)
def test_only_a_writer_may_write(edge: Edge, method: str, path: str, inside: str) -> None:
    assert edge.status(method, f"/products{path}", "reader") == 403
    for who in ("writer", "dropper"):
        answer = edge.ask(method, f"/products{path}", who, content=b"x" * 100)
        assert answer.status_code == 200
        at = f"{edge.at.inside}/api/v1/collections/{edge.wishes.namespace}.products{inside}"
        assert (answer.json()["method"], answer.json()["path"]) == (method, at)
        assert answer.json()["length"] == 100


def test_who_may_only_write_does_not_read(edge: Edge) -> None:
    assert edge.status("GET", "/products", "dropper") == 403
    assert edge.status("POST", "/products/search", "dropper") == 403


@pytest.mark.parametrize("path", DISGUISED)
def test_a_write_in_disguise_is_a_write(edge: Edge, path: str) -> None:
    for who, status in (("reader", 403), ("writer", 200)):
        assert edge.ask_as_it_is("POST", f"/products{path}", who) == status


@pytest.mark.parametrize("path", ["/products2", "/productsx/search", "/product", "/Products", ""])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_path_matches_by_whole_segments(edge: Edge, method: str, path: str) -> None:
    assert edge.status(method, path, "writer") == 404


def test_the_query_goes_along(edge: Edge) -> None:
    asked = {"limit": "3", "q": "a b"}
    said = edge.ask("GET", "/products/points/7", "reader", params=asked).json()
    assert httpx.QueryParams(said["query"]) == httpx.QueryParams(asked)
    said = edge.ask("POST", "/products/points/delete?wait=true", "writer").json()
    assert said["path"].endswith("/points/delete")
    assert said["query"] == "wait=true"


def test_the_service_is_told_the_key_and_an_id(edge: Edge) -> None:
    given = edge.ask("GET", "/products", "reader", headers={"X-Request-ID": "mine"})
    assert given.json()["headers"]["x-api-key"] == edge.wishes.key("reader")
    assert given.json()["headers"]["x-request-id"] == "mine"
    assert given.headers["X-Request-ID"] == "mine"
    made = edge.ask("GET", "/products", "reader")
    assert made.headers["X-Request-ID"] == made.json()["headers"]["x-request-id"]
    assert len(made.headers["X-Request-ID"]) == 36


def test_the_service_as_a_whole_is_for_all_keys_of_ours(edge: Edge) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert edge.status(method, "/api/v1/collections") == 401
        answer = edge.ask(method, "/api/v1/collections", "stranger")
        assert answer.status_code == 200
        assert answer.json()["path"] == f"{edge.at.inside}/api/v1/collections"
    assert edge.status("GET", "/api/v12", "stranger") == 404


def test_scripts_of_named_sites_may_call(edge: Edge) -> None:
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-api-key"}
    for origin in ("https://shop.example", "http://localhost:3000"):
        preflight = edge.ask("OPTIONS", "/products/points", headers={"Origin": origin, **asks})
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Origin"] == origin
        assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
        assert preflight.headers["Access-Control-Allow-Headers"] == "x-api-key"
        answer = edge.ask("GET", "/products", "reader", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    other = {"Origin": "https://shopXexample", **asks}
    refused = edge.ask("OPTIONS", "/products/points", headers=other)
    assert "Access-Control-Allow-Origin" not in refused.headers
    none = edge.ask(
        "OPTIONS", "/limited/points", headers={"Origin": "https://shop.example", **asks}
    )
    assert none.status_code == 401


def test_a_body_over_the_limit_is_refused(edge: Edge) -> None:
    who = "stranger"
    assert edge.ask("POST", "/limited/search", who, content=b"x" * 1024).status_code == 200
    refused = edge.ask("POST", "/limited/search", who, content=b"x" * 1025)
    assert refused.status_code == 413


def test_over_the_limit_one_key_waits_and_no_other(edge: Edge) -> None:
    # Kong counts just after it has answered; so one or the other may slip through.
    asked = itertools.cycle([("GET", "/limited"), ("POST", "/limited/search")])
    answers = [edge.ask(*next(asked), "first")]
    while answers[-1].status_code == 200 and len(answers) < 20:
        answers.append(edge.ask(*next(asked), "first"))
    *passed, refused = answers
    assert refused.status_code == 429
    assert 3 <= len(passed) < 20
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    left = [int(answer.headers["RateLimit-Remaining"]) for answer in answers]
    assert left == sorted(left, reverse=True)
    assert (left[0], left[-1]) == (2, 0)
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert edge.status("GET", "/limited", "second") == 200


def test_a_deleted_key_is_none_within_seconds(edge: Edge) -> None:
    assert edge.status("GET", "/products", "revoked") == 200
    credential = edge.wishes.credential("revoked", "read", keys={})
    edge.apply(revoked=credential)
    _within(edge, "revoked", "/products", 401)
    assert edge.status("GET", "/products", "reader") == 200
    edge.apply(revoked=None)
    _within(edge, "revoked", "/products", 401)


def test_a_key_that_is_another_now_is_none_within_seconds(edge: Edge) -> None:
    assert edge.status("GET", "/products", "renewed") == 200
    keys = {"k1": edge.wishes.key("renewed", 2)}
    edge.apply(renewed=edge.wishes.credential("renewed", "read", keys=keys))
    _within(edge, "renewed", "/products", 401)
    given = {"X-API-Key": edge.wishes.key("renewed", 2)}
    assert edge.ask("GET", "/products", headers=given).status_code == 200


def test_a_permission_that_is_taken_is_gone_within_seconds(edge: Edge) -> None:
    assert edge.status("PUT", "/products", "demoted") == 200
    edge.apply(demoted=edge.wishes.credential("demoted", "read"))
    _within(edge, "demoted", "/products", 403, "PUT")
    assert edge.status("GET", "/products", "demoted") == 200


def test_a_deleted_way_is_gone_within_seconds(edge: Edge) -> None:
    assert edge.status("GET", "/leaving", "leaver") == 200
    edge.apply(leaving=None)
    _within(edge, "leaver", "/leaving", 404)
    _within(edge, "leaver", "/leaving/points/delete", 404, "POST")


def _within(edge: Edge, who: str, path: str, status: int, method: str = "GET") -> None:
    wait(
        lambda: edge.status(method, path, who) == status,
        f"{who} gets {status}",
        seconds=GONE_SECONDS,
    )
