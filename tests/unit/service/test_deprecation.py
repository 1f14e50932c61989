"""Operations on their way out: what their answers carry, and what the document says."""

from __future__ import annotations

import dataclasses
from datetime import date
from email.utils import parsedate_to_datetime

import pytest
from fastapi import FastAPI

from support.serving import API, PRODUCTS, filled_store, running, settings
from vectorplane_service import app as composition
from vectorplane_service.deprecation import Deprecation
from vectorplane_service.documentation import Operation
from vectorplane_service.search.endpoints import OPERATIONS as SEARCH

pytestmark = pytest.mark.anyio
GOING = Deprecation(date(2026, 3, 1), date(2027, 3, 1), "/api/v2/collections/{collection}/search")
ASKED = {"vector": [0.1, 0.2, 0.3, 0.4]}


def replaced(operation: Operation, deprecated: Deprecation) -> Operation:
    return dataclasses.replace(operation, deprecated=deprecated)


@pytest.fixture
async def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The service with its search deprecated, and nothing else."""
    operations = tuple(
        replaced(o, GOING) if o in SEARCH and o.name == "search" else o
        for o in composition.VERSIONED
    )
    monkeypatch.setattr(composition, "VERSIONED", operations)
    return composition.create_app(settings(), points=await filled_store())


async def test_every_answer_says_when_and_what_comes_after(app: FastAPI) -> None:
    async with running(app) as client:
        good = await client.post(f"{PRODUCTS}/search", json=ASKED)
        bad = await client.post(f"{PRODUCTS}/search", json={"vector": "none"})
        away = await client.post(f"{API}/collections/shop.nothing/search", json=ASKED)
    assert (good.status_code, bad.status_code, away.status_code) == (200, 422, 404)
    for answer in (good, bad, away):
        assert answer.headers["deprecation"] == "@1772323200"
        assert parsedate_to_datetime(answer.headers["sunset"]).date() == date(2027, 3, 1)
    after = '</api/v2/collections/shop.products/search>; rel="successor-version"'
    assert good.headers["link"] == after


async def test_what_stays_says_nothing(app: FastAPI) -> None:
    async with running(app) as client:
        answers = [
            await client.post(f"{PRODUCTS}/search/batch", json={"searches": [ASKED]}),
            await client.post(f"{PRODUCTS}/points/count", json={}),
        ]
    for answer in answers:
        assert answer.status_code == 200
        assert not {"deprecation", "sunset", "link"} & set(answer.headers)


async def test_the_document_says_so_too(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    search = paths[f"{API}/collections/{{collection}}/search"]["post"]
    assert search["deprecated"] is True
    assert search["x-deprecated-since"] == "2026-03-01"
    assert search["x-sunset"] == "2027-03-01"
    assert "requestBody" in search
    batch = paths[f"{API}/collections/{{collection}}/search/batch"]["post"]
    assert "deprecated" not in batch


def test_a_deprecated_operation_has_no_short_way() -> None:
    hot = next(o for o in SEARCH if o.hot)
    assert not replaced(hot, GOING).hot


def test_only_what_is_known_is_said() -> None:
    assert [name for name, _ in Deprecation(date(2026, 3, 1)).headers({})] == [b"deprecation"]


@pytest.mark.parametrize("name", ["a\r\nx: y", 'a>; rel="x"', "ä"])
def test_a_name_from_a_path_cannot_say_anything_else(name: str) -> None:
    (_, _, (_, link)) = GOING.headers({"collection": name})
    assert link.count(b"<") == link.count(b">") == 1
    assert link.endswith(b'/search>; rel="successor-version"')
    assert not {*b'\r\n "'} & {*link[: link.index(b">")]}


def test_nothing_goes_before_it_is_deprecated() -> None:
    with pytest.raises(ValueError, match="before"):
        Deprecation(date(2026, 3, 1), date(2026, 2, 1))
