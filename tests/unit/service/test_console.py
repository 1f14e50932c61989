"""The console's page and files, and who may plan, as far as no browser is needed."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import httpx
import pytest

from support.local import manifest
from support.serving import API, KEYS, READER, add_collection, filled_store, running, settings
from support.serving import serving as serving_app
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.errors import StoreUnreachable
from vectorplane_service.app import create_app
from vectorplane_service.console.assets import load
from vectorplane_service.console.planning import ALONE, MOST_CHARACTERS, Comparison
from vectorplane_service.local.targets import Target

pytestmark = pytest.mark.anyio

PLAN = "/console/plan"
FILES = sorted(load({"api": "api/v1", "auth": "on", "version": "1"}))
STORE = """\
apiVersion: vectorplane.dev/v1alpha1
kind: VectorStore
metadata: {name: main}
spec: {qdrant: {url: "http://qdrant:6333"}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
---
"""


class _Tags(HTMLParser):
    """What a page loads, and what stands in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found.append((tag, given))
        if tag in ("script", "link"):
            self.loads.append(given.get("src") or given.get("href") or "inline")


def planned(manifest: str) -> dict[str, str]:
    return {"manifest": manifest}


@asynccontextmanager
async def comparing(store: MemoryStore, **changes: object) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def target() -> AsyncIterator[Target]:
        yield Target(store, (), "test")

    app = create_app(settings(**changes), points=store, comparison=Comparison(target, "With it."))
    async with running(app) as client:
        yield client


async def test_the_page_and_its_files_need_no_key(client: httpx.AsyncClient) -> None:
    del client.headers["X-API-Key"]
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loads = _Tags(page.text).loads
    assert loads
    for path in loads:
        answer = await client.get(f"/{path}")
        assert (answer.status_code, bool(answer.content)) == (200, True), path
        assert answer.headers["x-content-type-options"] == "nosniff"
    for name in FILES:
        found = await client.get(f"/console/{name}")
        assert found.status_code == (404 if name == "index.html" else 200)


async def test_it_is_off_by_a_setting() -> None:
    async with serving_app(console_enabled=False) as client:
        for path in ("/", "/console/console.js"):
            assert (await client.get(path)).status_code == 404
        assert (await client.post(PLAN, json=planned("a: 1"))).status_code == 404


async def test_the_policy_allows_files_of_this_service_alone(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[f"{what}-src"] for what in ("script", "style", "img", "connect")} == {"'self'"}
    assert {policy[what] for what in ("form-action", "frame-ancestors", "base-uri")} == {"'none'"}
    tags = _Tags(page.text).found
    assert not [tag for tag, given in tags if tag == "style" or "style" in given]
    assert not [name for _, given in tags for name in given if name.startswith("on")]
    assert all(given.get("src") for tag, given in tags if tag == "script")


@pytest.mark.parametrize("name", FILES)
def test_no_file_makes_markup_of_text_or_asks_somebody_else(name: str) -> None:
    text = load({"api": "", "auth": "", "version": ""})[name].body.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)
    assert not re.search(r"//[a-z]", text.replace("http://www.w3.org/2000/svg", ""))
    assert "localStorage" not in text


async def test_what_a_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    for path in ("/", "/console/console.css"):
        first = await client.get(path)
        assert first.headers.get_list("cache-control") == ["no-cache"]
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            again = await client.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        other = await client.get(path, headers={"If-None-Match": '"other"'})
        assert other.content == first.content
    assert (await client.get(f"{API}/collections")).headers.get_list("cache-control") == [
        "no-store"
    ]


async def test_a_head_and_an_unknown_file(client: httpx.AsyncClient) -> None:
    assert (await client.head("/")).headers["content-type"] == "text/html; charset=utf-8"
    answer = await client.get("/console/nothing.js")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    ("changes", "api", "auth"),
    [
        ({}, "api/v1", "on"),
        ({"api_prefix": "/", "api_versioning_enabled": False}, "", "on"),
        ({"auth_enabled": False, "api_keys": ""}, "api/v1", "off"),
    ],
)
async def test_the_page_knows_where_the_api_is(
    changes: dict[str, object], api: str, auth: str
) -> None:
    async with serving_app(**changes) as client:
        page = _Tags((await client.get("/")).text)
    html = next(given for tag, given in page.found if tag == "html")
    assert (html["data-api"], html["data-auth"]) == (api, auth)


async def test_it_is_no_part_of_the_api(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path == "/" or "console" in path]


async def test_a_manifest_is_checked_alone_where_nothing_is_to_compare_with(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post(PLAN, json=planned(STORE + manifest("orders")))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "compared": ALONE,
        "planned": [{"name": "shop/orders", "outcome": "valid", "lines": []}],
        "notes": [
            "VectorStore main: as it should be; only collections are planned",
            "Service web: left out",
        ],
    }


async def test_a_manifest_is_compared_and_nothing_is_done() -> None:
    store = MemoryStore()
    await add_collection(store, "shop.products")
    before = await store.listing()
    async with comparing(store) as client:
        text = manifest("orders", more="  aliases: [products]\n") + manifest("free")
        answer = (await client.post(PLAN, json=planned(text))).json()
    assert answer["compared"] == "With it."
    taken, free = answer["planned"]
    assert (taken["name"], taken["outcome"]) == ("shop/orders", "stalled")
    assert taken["lines"][-1].startswith("! stalled: ")
    assert (free["name"], free["outcome"]) == ("shop/free", "changes")
    assert free["lines"][0].startswith("+ create collection shop.free_1")
    assert await store.listing() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (manifest("orders", size=-1), "spec.vectors[0].size"),
        (manifest("orders") * 2, "stands there twice"),
        ("a: [", "document 1, line 1"),
        ("# nothing\n", "there is no document in it"),
        ("".join(manifest(f"orders-{n}") for n in range(51)), "at most 50 collections"),
        ("a" * (MOST_CHARACTERS + 1), f"at most {MOST_CHARACTERS} characters"),
    ],
)
async def test_what_is_wrong_is_told(client: httpx.AsyncClient, text: str, words: str) -> None:
    answer = await client.post(PLAN, json=planned(text))
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


async def test_a_plan_asks_for_a_key_that_reaches_everything() -> None:
    keys = f"{KEYS},some:some-secret:admin:shop.*"
    async with serving_app(api_keys=keys) as client:
        for key, status in (("some-secret", 403), ("reader-secret", 403), ("no-secret", 401)):
            answer = await client.post(PLAN, json=planned(manifest()), headers={"X-API-Key": key})
            assert answer.status_code == status, key
        del client.headers["X-API-Key"]
        assert (await client.post(PLAN, json=planned(manifest()))).status_code == 401


async def test_a_form_of_another_page_cannot_ask(client: httpx.AsyncClient) -> None:
    answer = await client.post(PLAN, data=planned(manifest()))
    assert answer.status_code == 415


async def test_a_store_that_is_away_is_told_without_its_words() -> None:
    class Away(MemoryStore):
        async def listing(self) -> object:  # type: ignore[override]
            raise StoreUnreachable("http://inside:6333 refuses")

    async with comparing(Away()) as client:
        answer = await client.post(PLAN, json=planned(manifest()))
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unreachable")
    assert "inside" not in answer.text
    assert answer.headers["retry-after"]


async def test_a_service_without_the_library_of_rules_says_so(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vectorplane.manifest", None)
    answer = await client.post(PLAN, json=planned(manifest()))
    assert answer.status_code == 501
    assert "manifests cannot be checked by this service" in answer.json()["detail"]


async def test_the_page_is_there_whatever_the_limits_say() -> None:
    async with serving_app(await filled_store(), rate_limit_read="1/minute") as client:
        for _ in range(3):
            assert (await client.get("/", headers=READER)).status_code == 200
