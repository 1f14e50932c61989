"""The mix of a real user: mostly searches of several kinds, reads, and a writer now and then.

    locust -f tests/load/locustfile.py --host http://localhost:10200 --headless -u 24 -t 30s

`LOAD_KEY` is the API key. The collections are those of `tests/support/showcase.py`: `shop.products`
(vectors of 4 numbers, indexes on category, price and n) and `shop.mixed` (a dense, a sparse and a
multi vector). An answer counts as an error where it is no 200 or does not say what it must.
"""

from __future__ import annotations

import itertools
import os
import random
from typing import Any

from locust import FastHttpUser, constant_pacing, task

API = "/api/v1/collections"
PRODUCTS, MIXED = f"{API}/shop.products", f"{API}/shop.mixed"
KITCHEN = {"must": [{"key": "category", "match": {"value": "kitchen"}}]}
STANDING = range(9)
"""Points that are there from the beginning, and that nobody deletes."""
_users = itertools.count(1)


def vector() -> list[float]:
    return [random.uniform(-1, 1) for _ in range(4)]


class User(FastHttpUser):
    abstract = True
    headers = {"X-API-Key": os.environ.get("LOAD_KEY", "test-secret")}

    def ask(self, path: str, body: Any, *, name: str, has: str, method: str = "POST") -> Any:
        """One call; its answer has this field."""
        with self.client.request(
            method, path, json=body, headers=self.headers, name=name, catch_response=True
        ) as answer:
            content: Any = None
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code}: {answer.text}")
            elif has not in (content := answer.json()):
                answer.failure(f"no {has} in {answer.text}")
            return content


class Reader(User):
    """Somebody at a shop's window."""

    weight = 5
    wait_time = constant_pacing(0.05)

    @task(30)
    def search(self) -> None:
        self.ask(
            f"{PRODUCTS}/search", {"vector": vector(), "limit": 5}, name="search", has="results"
        )

    @task(10)
    def filtered(self) -> None:
        body = {"vector": vector(), "filter": KITCHEN, "limit": 5, "with_payload": ["category"]}
        self.ask(f"{PRODUCTS}/search", body, name="search, filtered", has="results")

    @task(6)
    def hybrid(self) -> None:
        stages = [
            {"vector": vector(), "using": "a", "limit": 20},
            {"vector": {"indices": [1, 7], "values": [0.5, 0.5]}, "using": "words", "limit": 20},
        ]
        body = {"prefetch": stages, "fusion": {"method": "rrf"}, "limit": 5}
        self.ask(f"{MIXED}/search", body, name="search, hybrid", has="results")

    @task(4)
    def similar(self) -> None:
        body = {"id": random.choice(STANDING), "limit": 5}
        self.ask(f"{PRODUCTS}/search", body, name="search, like a point", has="results")

    @task(3)
    def batch(self) -> None:
        searches = [{"vector": vector(), "limit": 3} for _ in range(4)]
        body = {"searches": searches}
        self.ask(f"{PRODUCTS}/search/batch", body, name="search, batch", has="searches")

    @task(3)
    def groups(self) -> None:
        body = {"vector": vector(), "limit": 3, "group_by": {"field": "category", "size": 2}}
        self.ask(f"{PRODUCTS}/search", body, name="search, in groups", has="groups")

    @task(6)
    def one(self) -> None:
        path = f"{PRODUCTS}/points/{random.choice(STANDING)}"
        self.ask(path, None, name="get", has="payload", method="GET")

    @task(4)
    def several(self) -> None:
        body = {"ids": random.sample(STANDING, 4)}
        self.ask(f"{PRODUCTS}/points/retrieve", body, name="retrieve", has="points")

    @task(3)
    def pages(self) -> None:
        page = self.ask(f"{PRODUCTS}/points/scroll", {"limit": 5}, name="scroll", has="next_cursor")
        if page and page["next_cursor"]:
            body = {"limit": 5, "cursor": page["next_cursor"]}
            self.ask(f"{PRODUCTS}/points/scroll", body, name="scroll on", has="points")

    @task(3)
    def count(self) -> None:
        self.ask(f"{PRODUCTS}/points/count", {"filter": KITCHEN}, name="count", has="count")

    @task(2)
    def facet(self) -> None:
        self.ask(f"{PRODUCTS}/points/facet", {"field": "category"}, name="facet", has="hits")

    @task(1)
    def look(self) -> None:
        self.ask(API, None, name="list collections", has="collections", method="GET")


class Writer(User):
    """Somebody who keeps the shop up to date. Each has points of its own."""

    weight = 1
    wait_time = constant_pacing(0.1)

    def on_start(self) -> None:
        self.first = 1000 * next(_users)

    @property
    def own(self) -> list[int]:
        return [self.first + n for n in random.sample(range(100), 10)]

    @task(5)
    def upsert(self) -> None:
        points = [
            {
                "id": id,
                "vector": vector(),
                "payload": {"category": random.choice(["kitchen", "garden"]), "n": id},
            }
            for id in self.own
        ]
        self.ask(
            f"{PRODUCTS}/points", {"points": points}, name="upsert", has="points", method="PUT"
        )

    @task(2)
    def price(self) -> None:
        body = {"action": "set", "payload": {"price": random.random()}, "ids": self.own}
        self.ask(f"{PRODUCTS}/points/payload", body, name="payload", has="status")

    @task(1)
    def delete(self) -> None:
        self.ask(f"{PRODUCTS}/points/delete", {"ids": self.own}, name="delete", has="status")
