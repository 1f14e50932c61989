"""Errors over HTTP."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from structlog.testing import capture_logs

from support.serving import API, PRODUCTS, add_collection, filled_store, place, serving
from vectorplane import errors
from vectorplane.adapters.vectors.memory import MemoryStore
from vectorplane.ports.vectors import Found, Point, Search
from vectorplane_service.problems import answer_to, code, phrase

pytestmark = pytest.mark.anyio

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.VectorplaneError)
]
STATUS = {
    "Unauthenticated": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "TooLarge": 413,
    "InvalidInput": 422,
    "CallerError": 400,
    "Unsupported": 501,
    "StoreRejected": 502,
    "Stalled": 500,
    # Of the operator's own: no request meets them.
    "GatewayRejected": 500,
    "GatewayReadOnly": 500,
    "RegistryRejected": 500,
    "EngineLocked": 500,
    "LimitExceeded": 500,
    "NamespaceNotAllowed": 500,
    "VectorplaneError": 500,
}
JSON = {"Content-Type": "application/json"}


class Failing(MemoryStore):
    """A store that says one thing to every search and write."""

    error: BaseException = RuntimeError("secret detail")

    async def search(self, collection: str, searches: Sequence[Search]) -> list[list[Found]]:
        raise self.error

    async def upsert(self, collection: str, points: Sequence[Point], *, wait: bool = True) -> None:
        raise self.error


async def search(error: BaseException) -> httpx.Response:
    store = Failing()
    await add_collection(store, "shop.products")
    store.error = error
    async with serving(store) as client:
        return await client.post(f"{PRODUCTS}/search", json={"vector": [1, 2, 3, 4]})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_every_error_of_ours_has_an_answer(kind: type[errors.VectorplaneError]) -> None:
    with capture_logs() as logs:
        answer = await search(kind("the store's own words"))
    expected = 503 if issubclass(kind, errors.Waiting) else STATUS[kind.__name__]
    assert answer.status_code == expected
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == expected
    assert body["code"] == code(kind.reason)
    assert body["type"] == f"urn:vectorplane:problem:{code(kind.reason).replace('_', '-')}"
    assert body["title"]
    assert body["request_id"] == answer.headers["x-request-id"]
    told = issubclass(kind, errors.CallerError)
    # What the store says of itself is for the log, not for strangers.
    assert (body["detail"] == "the store's own words") == told
    assert any(line.get("error") == "the store's own words" for line in logs) != told
    assert ("retry-after" in answer.headers) == issubclass(kind, errors.Waiting)


@pytest.mark.parametrize(("said", "header"), [(None, "2"), (0.0, "1"), (7.2, "8")])
async def test_retry_after(said: float | None, header: str) -> None:
    answer = await search(errors.StoreOverloaded("busy", retry_after=said))
    assert answer.headers["retry-after"] == header


def test_codes() -> None:
    assert code("StoreUnreachable") == "store_unreachable"
    assert answer_to(errors.SecretUnreadable("x")).status == 503


async def test_what_nobody_foresaw_is_in_the_log_only() -> None:
    with capture_logs() as logs:
        answer = await search(RuntimeError("secret detail"))
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    (story,) = [line for line in logs if line["event"] == "unforeseen"]
    assert story["exc_info"]
    assert logs[-1]["status"] == 500


async def test_paths_and_methods_that_are_not_there() -> None:
    async with serving() as client:
        gone = await client.get("/nothing")
        slash = await client.get(f"{PRODUCTS}/")
        method = await client.delete(PRODUCTS)
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert slash.status_code == 404
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET, HEAD"
    for answer in (gone, method):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"", 400, "body"),
        (b"  ", 400, "body"),
        (b"{", 400, "body"),
        (b"{'vector': [1]}", 400, "body"),
        (b'{"vector": [1,]}', 400, "body"),
        (b'{"vector": [1, NaN, 3, 4]} x', 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b'{"text": "\xed\xa0\x80"}', 400, "body"),
        (b"[" * 200_000, 400, "body"),
        (b'{"vector": [' + b"1" * 5000 + b"]}", 400, "body"),
        (b'{"vector": [1, NaN, 3, 4]}', 422, "vector[1]"),
        (b'{"vector": [1, 2, Infinity, 4]}', 422, "vector[2]"),
        (b'{"vector": [1, 2, 3, -Infinity]}', 422, "vector[3]"),
        (b'{"vector": [1e999, 2, 3, 4]}', 422, "vector[0]"),
        (b'{"score_threshold": NaN, "vector": [1, 2, 3, 4]}', 422, "score_threshold"),
        (
            b'{"filter": {"must": [{"key": "a", "range": {"gt": NaN}}]}}',
            422,
            "filter.must[0].range.gt",
        ),
        (b"NaN", 422, "body"),
        (b"null", 422, "body"),
    ],
)
async def test_what_is_no_json(body: bytes, status: int, where: str) -> None:
    async with serving() as client:
        answer = await client.post(f"{PRODUCTS}/search", content=body, headers=JSON)
    assert (answer.status_code, place(answer)) == (status, where), answer.text
    assert answer.json()["code"] == ("malformed_body" if status == 400 else "invalid_input")


async def test_not_a_number_in_a_batch_writes_nothing() -> None:
    body = (
        b'{"points": [{"id": 1, "vector": [1,2,3,4]}, '
        b'{"id": 2, "vector": [1,2,3,4], "payload": {"a": [1, NaN]}}]}'
    )
    async with serving() as client:
        answer = await client.put(f"{PRODUCTS}/points", content=body, headers=JSON)
        assert (answer.status_code, place(answer)) == (422, "points[1].payload.a[1]")
        counted = await client.post(f"{PRODUCTS}/points/count", json={})
        assert counted.json() == {"count": 0}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/vnd.shop+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
async def test_kinds_of_bodies(kind: str, status: int) -> None:
    async with serving() as client:
        answer = await client.post(
            f"{PRODUCTS}/search",
            content=b'{"vector": [1,2,3,4]}',
            headers={"Content-Type": kind} if kind else {},
        )
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["code"] == "unsupported_media_type"


async def test_a_body_that_is_too_large_by_its_own_word_is_not_read() -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"{}"

    async with serving(max_body_bytes=1024) as client:
        headers = {**JSON, "Content-Length": "1025"}
        answer = await client.put(f"{PRODUCTS}/points", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["connection"] == "close"
    assert not read


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "10"}, {"Content-Length": "nonsense"}])
async def test_a_body_that_turns_out_too_large_is_not_read_to_its_end(
    headers: dict[str, str],
) -> None:
    pieces = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal pieces
        for _ in range(1000):
            pieces += 1
            yield b" " * 512

    async with serving(max_body_bytes=1024) as client:
        for path in (f"{PRODUCTS}/points/count", f"{API}/vectors/search"):
            pieces = 0
            answer = await client.post(path, content=body(), headers={**JSON, **headers})
            assert (answer.status_code, place(answer)) == (413, "body")
            assert pieces <= 5


async def test_a_body_of_just_the_limit_is_fine() -> None:
    async with serving(max_body_bytes=1024) as client:
        body = b'{"vector": [1,2,3,4]}'.ljust(1024)
        answer = await client.post(f"{PRODUCTS}/search", content=body, headers=JSON)
    assert answer.status_code == 200


async def test_the_store_going_away_between_is_a_problem_like_any_other() -> None:
    store = await filled_store()
    async with serving(store) as client:
        body = {"vector": [1, 2, 3, 4]}
        assert (await client.post(f"{PRODUCTS}/search", json=body)).status_code == 200
        await store.drop("shop.products_1")
        assert (await client.post(f"{PRODUCTS}/search", json=body)).status_code == 404


async def test_a_path_says_all_its_methods_and_no_others(client: httpx.AsyncClient) -> None:
    """Over several routes; and `retrieve` is no point's id."""
    for path, allowed in (
        ("points", "PUT"),
        ("points/7", "GET"),
        ("points/retrieve", "POST"),
    ):
        answer = await client.options(f"{PRODUCTS}/{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert (await client.options(f"{API}/keys")).headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("status", "name"),
    [(404, "Not Found"), (413, "Content Too Large"), (422, "Unprocessable Content")],
)
def test_a_status_has_one_name_on_every_python(status: int, name: str) -> None:
    assert phrase(status) == name
