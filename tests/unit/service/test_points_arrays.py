"""Points to write as numpy arrays."""

from __future__ import annotations

import io
import json
import random
import uuid
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest

from support.serving import (
    API,
    PRODUCTS,
    place,
    serving,
)
from support.writing import LINES, MIXED, NPZ, POINTS, count, mixed_store, read
from vectorplane.errors import CallerError
from vectorplane_service.points.npz import read as read_npz

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(await mixed_store()) as client:
        yield client


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def packed(payloads: Any) -> Any:
    return np.frombuffer(json.dumps(payloads).encode(), np.uint8)


EYE = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
async def test_arrays(client: httpx.AsyncClient, kind: Any, order: Any) -> None:
    vectors = np.asarray(EYE, dtype=kind, order=order)
    body = npz(ids=np.arange(4), vectors=vectors, payloads=packed([{"n": 1}, None, {}, {"n": 4}]))
    answer = await client.put(POINTS, content=body, headers=NPZ)
    assert answer.json() == {"status": "completed", "points": 4}, answer.text
    assert await read(client, 0, 3) == [
        {"id": 0, "payload": {"n": 1}, "vector": [1, 0, 0, 0]},
        {"id": 3, "payload": {"n": 4}, "vector": [0, 0, 0, 1]},
    ]


_UUIDS = [str(uuid.UUID(int=i << 64)) for i in range(4)]


@pytest.mark.parametrize(
    ("ids", "read_as"),
    [
        (np.arange(4, dtype=np.uint64) + 2**63, [2**63 + i for i in range(4)]),
        (np.arange(4, dtype=np.int8), list(range(4))),
        (np.array(_UUIDS), _UUIDS),
        (np.array([u.upper().encode() for u in _UUIDS]), _UUIDS),
        (np.array([uuid.UUID(u).bytes for u in _UUIDS], dtype="V16"), _UUIDS),
        (
            np.array([list(uuid.UUID(u).bytes) for u in _UUIDS], dtype=np.uint8),
            _UUIDS,
        ),
    ],
)
async def test_kinds_of_ids(client: httpx.AsyncClient, ids: Any, read_as: list[Any]) -> None:
    answer = await client.put(POINTS, content=npz(ids=ids, vectors=EYE), headers=NPZ)
    assert answer.status_code == 200, answer.text
    assert [point["id"] for point in await read(client, *read_as)] == read_as


async def test_named_arrays_at_the_flat_path(client: httpx.AsyncClient) -> None:
    arrays = {"vectors.image": EYE[:, :2], "vectors.title.en": EYE[:, :3]}
    answer = await client.post(
        f"{API}/vectors/store",
        content=npz(ids=np.arange(4), **arrays),
        headers=NPZ,
        params={"collection": "shop.mixed"},
    )
    assert answer.status_code == 200, answer.text
    (point,) = await read(client, 1, url=MIXED)
    assert point["vector"] == {"image": [0, 1], "title.en": [0, 1, 0]}


async def test_many_arrays_go_through_a_thread(client: httpx.AsyncClient) -> None:
    vectors = np.random.default_rng(7).normal(size=(30_000, 4))
    body = npz(ids=np.arange(30_000), vectors=vectors, payloads=packed([{"n": 1}] * 30_000))
    assert len(body) > 1024 * 1024
    answer = await client.put(POINTS, content=body, headers=NPZ)
    assert answer.json()["points"] == 30_000
    (last,) = await read(client, 29_999)
    unit = vectors[-1] / np.linalg.norm(vectors[-1])
    assert last["vector"] == pytest.approx(unit.tolist(), abs=1e-6)


def _huge(count: int) -> bytes:
    """An array that says it is larger than it is."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (count, 4)}
    )
    return _zip({"ids.npy": _npy(np.arange(4)), "vectors.npy": header.getvalue() + bytes(64)})


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _lying() -> bytes:
    """Says in its directory that a member has a gigabyte."""
    body = bytearray(npz(ids=np.arange(4), vectors=EYE))
    at = body.rindex(b"PK\x01\x02")
    body[at + 20 : at + 28] = (2**30).to_bytes(4, "little") * 2
    return bytes(body)


def _bad_sum() -> bytes:
    body = npz(ids=np.arange(4), vectors=EYE)
    return body.replace(EYE.tobytes(), (EYE * 2).tobytes())


FOUR = np.arange(4)


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"", 400, "body"),
        (b"nothing of numpy", 400, "body"),
        (_npy(EYE), 400, "body"),
        (npz(ids=FOUR, vectors=EYE)[:-30], 400, "body"),
        (_lying(), 400, "body"),
        (_bad_sum(), 400, "body"),
        (_huge(5), 400, "vectors"),
        (_huge(2**62), 400, "vectors"),
        (_huge(10**30), 400, "vectors"),
        (_zip({f"vectors.{i}.npy": b"" for i in range(65)}), 400, "body"),
        (_zip({"ids.npy": b"\x93NUMPY\x03\x00"}), 400, "ids"),
        (_zip({"ids.npy": b"\x93NUMPY\x01\x00\x02\x00{}"}), 400, "ids"),
        (_zip({"ids.npy": _npy(FOUR)}, zipfile.ZIP_DEFLATED), 422, "ids"),
        (_zip({"ids.npy": _npy(FOUR), "vectors.npy": _npy(EYE), "more": b""}), 400, "more"),
        (npz(vectors=EYE), 422, "ids"),
        (npz(ids=FOUR), 422, "vectors"),
        (npz(ids=FOUR, vectors=EYE, colors=EYE), 422, "colors"),
        (npz(ids=FOUR, vectors=EYE, **{"vectors.": EYE}), 422, "vectors."),
        (npz(ids=FOUR[:3], vectors=EYE), 422, "vectors"),
        (npz(ids=FOUR[:0], vectors=EYE[:0]), 422, "ids"),
        (npz(ids=EYE, vectors=EYE), 422, "ids"),
        (npz(ids=np.array(7), vectors=EYE), 422, "ids"),
        (npz(ids=FOUR.astype(float), vectors=EYE), 422, "ids"),
        (npz(ids=FOUR.astype("M8[s]"), vectors=EYE), 422, "ids"),
        (npz(ids=-FOUR, vectors=EYE), 422, "ids[1]"),
        (npz(ids=np.array(["a", "b", "c", "d"]), vectors=EYE), 422, "ids[0]"),
        (npz(ids=np.array(["é".encode()] * 4), vectors=EYE), 422, "ids[0]"),
        (npz(ids=FOUR, vectors=EYE[:, :3]), 422, "vectors"),
        (npz(ids=FOUR, vectors=EYE.astype(int)), 422, "vectors"),
        (npz(ids=FOUR, vectors=EYE.astype(complex)), 422, "vectors"),
        (npz(ids=FOUR, vectors=EYE[:, 0]), 422, "vectors"),
        (npz(ids=FOUR, **{"vectors.no": EYE}), 422, "vectors.no"),
        (npz(ids=FOUR, vectors=np.where(EYE == 1, np.inf, EYE)), 422, "vectors[0][0]"),
        (npz(ids=FOUR, vectors=EYE.astype(float) * 1e300), 422, "vectors[0][0]"),
        (npz(ids=FOUR, vectors=EYE, payloads=packed([{}])), 422, "payloads"),
        (npz(ids=FOUR, vectors=EYE, payloads=packed({})), 422, "payloads"),
        (npz(ids=FOUR, vectors=EYE, payloads=packed([{}, {}, {}, 7])), 422, "payloads[3]"),
        (npz(ids=FOUR, vectors=EYE, payloads=np.arange(4)), 422, "payloads"),
        (npz(ids=FOUR, vectors=EYE, payloads=np.arange(4, dtype=np.uint8)), 400, "payloads"),
        (
            npz(ids=FOUR, vectors=EYE, payloads=np.frombuffer(b"[NaN]", np.uint8)),
            422,
            "payloads[0]",
        ),
    ],
)
async def test_of_refused_arrays_nothing_is_written(
    client: httpx.AsyncClient, body: bytes, status: int, where: str
) -> None:
    answer = await client.put(POINTS, content=body, headers=NPZ)
    assert (answer.status_code, place(answer)) == (status, where), answer.text
    assert await count(client) == 0


def test_whatever_bytes_come_they_are_read_or_refused() -> None:
    chance = random.Random(5)
    good = npz(ids=FOUR, vectors=EYE, payloads=packed([{"n": 1}] * 4))
    header = _npy(FOUR)
    refused = 0
    for turn in range(4000):
        whole = bytearray(good if turn % 2 else header)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(whole))
            whole[at] = chance.choice(b"0123456789()[]{},'<>fiuSUVOM|-+ \n\\xabc\x00\xff")
        body = bytes(whole) if turn % 2 else _zip({"ids.npy": bytes(whole)})
        try:
            assert len(read_npz(body, 100).ids) <= 100
        except CallerError:
            refused += 1
    assert refused > 3000


async def test_objects_are_not_unpickled(client: httpx.AsyncClient) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (exec, ("raise SystemExit",))

    body = npz(ids=np.array([Trap()], dtype=object), vectors=EYE[:1])
    answer = await client.put(POINTS, content=body, headers=NPZ)
    assert (answer.status_code, place(answer)) == (422, "ids")


async def test_arrays_are_not_longer_than_allowed() -> None:
    async with serving(max_binary_batch_size=3, max_body_bytes=4096) as client:
        answer = await client.put(POINTS, content=npz(ids=FOUR, vectors=EYE), headers=NPZ)
        assert (answer.status_code, place(answer)) == (422, "ids")
        body = npz(ids=FOUR[:3], vectors=np.zeros((3, 400), np.float32))
        answer = await client.put(POINTS, content=body, headers=NPZ)
        assert (answer.status_code, place(answer)) == (413, "body")


@pytest.mark.parametrize("kind", ["application/x-npy", "text/csv", ""])
async def test_other_kinds_of_bodies(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.put(POINTS, content=b"1", headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415
    assert "application/x-ndjson" in answer.json()["detail"]
    for path in ("points/count", "search"):
        answer = await client.post(f"{PRODUCTS}/{path}", content=b"{}", headers=LINES)
        assert answer.status_code == 415
