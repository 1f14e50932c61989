"""The whole way, from a manifest to an answer through Kong, where there is no Kubernetes.

    docker compose run --rm walk

What the operator does in a cluster is done here once, with the same parts: the plan and the Qdrant
adapter make the collection, the Kong adapter makes the way to it and a consumer with a key. Then
points are loaded and searched through Kong with that key, and those who may not are turned away. A
second walk finds all as it is to be, and changes nothing.

Variables: QDRANT_URL, QDRANT_API_KEY, KONG_ADMIN_URL, GATEWAY_URL (Kong as clients reach it),
SERVICE_URL (the service as Kong reaches it), DEMO_KEY (a key that the service knows).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import yaml

from vectorplane.adapters.gateway.kong_admin import KongAdmin
from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.desired import desired_of
from vectorplane.domain.exposure import Credential, Owner, Put, Wish, changes, groups_of
from vectorplane.domain.model import Key
from vectorplane.errors import VectorplaneError
from vectorplane.exposure.wishes import Policy, exposure_of
from vectorplane.ports.resources import Resource
from vectorplane.reconcile import reconcile

MANIFEST = Path(__file__).with_name("products.yaml")
CLUSTER = "compose"
"""Stands in ownership records and in Kong's tags."""
TEXTS = {
    "kitchen": ["a kettle that boils water for tea", "a pan for frying eggs", "a bread knife"],
    "garden": [
        "a spade for digging beds",
        "a can to water flowers",
        "gloves for pruning roses",
    ],
    "clothes": ["a warm coat for the winter", "boots for walking in the rain", "a straw hat"],
}
PATIENCE = 60.0
"""Seconds that Kong's nodes have to learn what its database has."""


class WalkFailed(Exception):
    """Something on the way is not as it should be; the message is for people."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def needed(name: str) -> str:
    if not (value := os.environ.get(name)):
        raise WalkFailed(f"{name} is not set; see compose/.env.example")
    return value


def resource() -> Resource:
    """The manifest as an API would have it. Its uid comes from its name, so that each walk means
    the same resource."""
    manifest: dict[str, Any] = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    meta = manifest["metadata"]
    key = Key(meta["namespace"], meta["name"])
    return Resource(key, uid(f"collection:{key}"), 1, "2025-01-01T00:00:00Z", manifest["spec"])


def uid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"vectorplane:{CLUSTER}:{name}"))


async def make_collection(product: Resource) -> None:
    store = QdrantAdmin(needed("QDRANT_URL"), os.environ.get("QDRANT_API_KEY") or None)
    try:
        outcome = await reconcile(desired_of(product, CLUSTER), store)
    finally:
        await store.close()
    if outcome.trouble:
        raise WalkFailed(f"the collection: {outcome.trouble.reason}: {outcome.trouble.message}")
    say(f"collection {product.key.collection}: {len(outcome.changed)} changes")


async def make_way(wishes: list[Wish]) -> None:
    kong = KongAdmin(needed("KONG_ADMIN_URL"), cluster=CLUSTER, service_url=needed("SERVICE_URL"))
    try:
        wanted = {ref: body for wish in wishes for ref, body in kong.render(wish).items()}
        planned = changes(wanted, await kong.survey(), kong.order)
        for change in planned:
            if isinstance(change, Put):
                await kong.put(change.ref, change.body)
            else:
                await kong.delete(change.ref)
    finally:
        await kong.close()
    say(f"way through Kong: {len(planned)} changes")


def wishes_of(product: Resource, key: str, stranger: str) -> list[Wish]:
    """The way to the collection, a key that may use it, and one that may not."""
    name = product.key.collection
    way = exposure_of(product, Policy())

    def credential(user: str, secret: str, groups: tuple[str, ...]) -> Credential:
        place = Key(product.key.namespace, user)
        owner = Owner("VectorAccess", place, uid(f"access:{place}"))
        return Credential(owner, f"{place.namespace}.{user}", {user: secret}, groups)

    demo = credential("demo", key, groups_of(name, ("read", "write")))
    return [way, demo, credential("stranger", stranger, ())]


def patiently(gateway: httpx.Client, path: str, key: str) -> httpx.Response:
    """The first answer that is the service's: before, Kong knows no such route, or no such key."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = gateway.get(path, headers={"x-api-key": key})
        if answer.status_code == 200 or time.monotonic() > until:
            return answer
        time.sleep(0.2)


def expect(answer: httpx.Response, status: int, what: str) -> Any:
    if answer.status_code != status:
        request = f"{answer.request.method} {answer.request.url}"
        raise WalkFailed(f"{what}: {request}: {answer.status_code}, not {status}: {answer.text}")
    say(f"{status} {what}")
    return answer.json() if status == 200 else None


def use(path: str, key: str, stranger: str) -> None:
    points = [
        {"id": number, "text": text, "payload": {"category": category, "text": text}}
        for number, (category, text) in enumerate(
            (category, text) for category, texts in TEXTS.items() for text in texts
        )
    ]
    mine, search = {"x-api-key": key}, {"text": "something warm to wear", "limit": 3}
    with httpx.Client(base_url=needed("GATEWAY_URL"), timeout=30, trust_env=False) as gateway:
        expect(patiently(gateway, path, key), 200, "the collection answers through Kong")
        loaded = gateway.put(f"{path}/points", json={"points": points}, headers=mine)
        expect(loaded, 200, f"{len(points)} points loaded")
        found = gateway.post(f"{path}/search", json=search, headers=mine)
        results = expect(found, 200, "searched with the key")["results"]
        if len(results) != 3 or results[0]["payload"]["category"] != "clothes":
            raise WalkFailed(f"the search found something else: {results}")
        for result in results:
            say(f"    {result['score']:.3f}  {result['payload']['text']}")
        expect(gateway.post(f"{path}/search", json=search), 401, "without a key")
        wrong = {"x-api-key": secrets.token_hex(8)}
        expect(gateway.post(f"{path}/search", json=search, headers=wrong), 401, "an unknown key")
        foreign = {"x-api-key": stranger}
        expect(gateway.post(f"{path}/search", json=search, headers=foreign), 403, "a foreign key")


def main() -> int:
    try:
        product, key = resource(), needed("DEMO_KEY")
        stranger = hashlib.sha256(f"stranger {key}".encode()).hexdigest()
        wishes = wishes_of(product, key, stranger)
        asyncio.run(make_collection(product))
        asyncio.run(make_way(wishes))
        use(f"/{product.key.namespace}/{product.key.name}", key, stranger)
    except (WalkFailed, VectorplaneError, httpx.HTTPError) as error:
        sys.stderr.write(f"walk failed: {error}\n")
        return 1
    say("walk ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
