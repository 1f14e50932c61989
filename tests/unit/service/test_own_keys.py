"""Keys that the service gives out itself: the endpoints, and the file behind them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from support.serving import ALL, API, KEYS, PRODUCTS, READER, serving
from vectorplane.errors import Conflict, NotFound, Unauthenticated
from vectorplane.settings import SettingsError
from vectorplane_service.access.own import OwnKeys, any_in
from vectorplane_service.access.refusals import KeysUnreadable
from vectorplane_service.settings import ServiceSettings

pytestmark = pytest.mark.anyio

PATH = f"{API}/keys"
BOUND = json.dumps(
    [
        {"id": "all", "key": "all-secret", "permissions": ["admin"]},
        {"id": "shop", "key": "shop-secret", "permissions": ["admin"], "collections": ["shop.*"]},
        {"id": "one", "key": "one-secret", "permissions": ["admin"], "tenant": "shop.products"},
    ]
)
SEARCH = {"vector": [1, 2, 3, 4]}


@asynccontextmanager
async def managing(folder: Path, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    chosen = {"api_keys": KEYS, "keys_file": str(folder / "keys.json"), **changes}
    async with serving(**chosen) as client:
        yield client


async def issued(client: httpx.AsyncClient, id: str = "mine", **more: Any) -> dict[str, str]:
    """The header that a new key is sent in."""
    answer = await client.post(PATH, json={"id": id, "permissions": ["read"], **more})
    assert answer.status_code == 201, answer.text
    return {"X-API-Key": answer.json()["key"]}


async def test_a_key_from_its_issue_to_its_end(tmp_path: Path) -> None:
    async with managing(tmp_path) as client:
        asked = {"id": "mine", "permissions": ["read"], "collections": ["shop.*"], "ttl": 3600}
        answer = await client.post(PATH, json=asked)
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        made = answer.json()
        assert made["key"].startswith("vp_")
        assert made["expires"] - made["created"] == 3600
        key = {"X-API-Key": made.pop("key")}

        assert (await client.get(PATH)).json() == {"keys": [made], "next_cursor": None}
        assert (await client.get(PRODUCTS, headers=key)).status_code == 200
        assert (
            await client.get(f"{API}/collections/other.secrets", headers=key)
        ).status_code == 403
        put = await client.put(f"{PRODUCTS}/points", json={"id": 1, "vector": [1] * 4}, headers=key)
        assert put.status_code == 403
        assert (await client.get(PATH, headers=key)).status_code == 403

        gone = await client.delete(f"{PATH}/mine")
        assert (gone.status_code, gone.json()) == (200, {"id": "mine", "status": "revoked"})
        refused = await client.get(PRODUCTS, headers=key)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert (await client.delete(f"{PATH}/mine")).status_code == 404
        assert (await client.get(PATH)).json()["keys"] == []


async def test_no_secret_is_kept_or_shown(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        async with managing(tmp_path) as client:
            secret = (await issued(client))["X-API-Key"]
            await client.get(PRODUCTS, headers={"X-API-Key": secret})
            listed = (await client.get(PATH)).text
    for place in (listed, (tmp_path / "keys.json").read_text(), repr(lines)):
        assert secret not in place
        assert secret.removeprefix("vp_") not in place
    assert {line.get("key") for line in lines if line["event"] == "request"} == {"all", "mine"}
    hash = json.loads((tmp_path / "keys.json").read_text())["keys"][0]["hash"]
    assert hash not in listed + repr(lines)


async def test_a_key_of_a_tenant(tmp_path: Path) -> None:
    async with managing(tmp_path) as client:
        answer = await client.post(
            PATH, json={"id": "t", "permissions": ["write"], "tenant": "shop.products"}
        )
        assert answer.json()["tenant"] == "shop.products"
    keys = OwnKeys(tmp_path / "keys.json")
    found = await keys.identify(answer.json()["key"])
    assert found is not None
    assert (found.tenant, found.may_reach("shop.products")) == ("shop.products", True)
    assert not found.may_reach("shop.other")


async def test_lists_are_paged(tmp_path: Path) -> None:
    async with managing(tmp_path) as client:
        ids = [f"k{n}" for n in range(5)]
        for id in reversed(ids):
            await issued(client, id)
        seen, cursor = [], None
        while True:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(PATH, params=params)).json()
            seen.append([key["id"] for key in page["keys"]])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [["k0", "k1"], ["k2", "k3"], ["k4"]]
        for bad in ("x", "W10", "é"):
            assert (await client.get(PATH, params={"cursor": bad})).status_code == 422


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"id": ""}, "id"),
        ({"id": ".."}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"id": "a\n"}, "id"),
        ({"permissions": []}, "permissions"),
        ({"permissions": ["root"]}, "permissions[0]"),
        ({"permissions": "read"}, "permissions"),
        ({"collections": []}, "collections"),
        ({"collections": [""]}, "collections[0]"),
        ({"collections": ["a b"]}, "collections[0]"),
        ({"tenant": ""}, "tenant"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": 1e300}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"secret": "mine"}, "secret"),
    ],
)
async def test_keys_that_make_no_sense(tmp_path: Path, changed: dict[str, Any], place: str) -> None:
    async with managing(tmp_path) as client:
        answer = await client.post(PATH, json={"id": "a", "permissions": ["read"], **changed})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["place"] == place
        assert (await client.get(PATH)).json()["keys"] == []


async def test_an_id_stands_for_one_key(tmp_path: Path) -> None:
    async with managing(tmp_path) as client:
        await issued(client)
        for id in ("mine", "reader"):
            answer = await client.post(PATH, json={"id": id, "permissions": ["admin"]})
            assert answer.status_code == 409, "issued already, or one of API_KEYS"


async def test_who_may_manage_keys(tmp_path: Path) -> None:
    """A key that is bound to something could give itself one that is not."""
    calls = [("POST", PATH), ("GET", PATH), ("DELETE", f"{PATH}/x")]
    body = {"id": "x", "permissions": ["read"]}
    async with managing(tmp_path, api_keys=BOUND) as client:
        for secret, status in (("shop-secret", 403), ("one-secret", 403), ("no", 401)):
            for method, path in calls:
                headers = {"X-API-Key": secret}
                answer = await client.request(method, path, json=body, headers=headers)
                assert answer.status_code == status, (secret, method)
        for method, path in calls:
            answer = await client.request(method, path, json=body, headers=ALL)
            assert answer.status_code in (200, 201)


async def test_without_a_file_no_keys_are_given_out() -> None:
    async with serving() as client:
        for method, path in (("POST", PATH), ("GET", PATH), ("DELETE", f"{PATH}/x")):
            body = {"id": "x", "permissions": ["read"]}
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 501
            assert "KEYS_FILE" in answer.json()["detail"]
            answer = await client.request(method, path, json=body, headers=READER)
            assert answer.status_code == 403


async def test_a_key_ends_by_itself(tmp_path: Path) -> None:
    now = [1000.0]
    keys = OwnKeys(tmp_path / "keys.json", clock=lambda: now[0])
    _, secret = await keys.issue("short", ["read"], ttl=10)
    assert await keys.identify(secret)
    now[0] += 10
    with pytest.raises(Unauthenticated):
        await keys.identify(secret)
    assert await keys.all() == []
    await keys.issue("short", ["read"])
    assert [key.id for key in await keys.all()] == ["short"]


async def test_keys_outlive_the_process(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "keys.json"
    made, secret = await OwnKeys(file).issue("a", ["write"], ["shop.*"], tenant="shop.a", ttl=60)
    again = OwnKeys(file)
    assert await again.all() == [made]
    assert await again.identify(secret) == made.identity()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    """Several instances stand for several workers: what keeps them apart is the file's lock."""
    workers = [OwnKeys(tmp_path / "keys.json") for _ in range(4)]
    made = await asyncio.gather(
        *(workers[n % 4].issue(f"k{n}", ["read"]) for n in range(40)),
        *(workers[n % 4].issue("same", ["read"]) for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Conflict) for result in made) == 3
    gone = await asyncio.gather(
        *(workers[(n + 1) % 4].revoke(f"k{n}") for n in range(0, 40, 2)),
        *(workers[n].revoke("same") for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, NotFound) for result in gone) == 3
    left = [f"k{n}" for n in range(1, 40, 2)]
    for worker in workers:
        assert [key.id for key in await worker.all()] == sorted(left)


async def test_another_worker_takes_a_new_key_at_once(tmp_path: Path) -> None:
    here, there = OwnKeys(tmp_path / "keys.json"), OwnKeys(tmp_path / "keys.json")
    _, secret = await here.issue("a", ["read"])
    assert await there.identify(secret)
    assert await there.identify("of-another-kind") is None
    with pytest.raises(Unauthenticated):
        await there.identify(secret[:-1])


_KILLED = """
import asyncio, os, sys
from pathlib import Path
from vectorplane_service.access.own import OwnKeys

async def main():
    keys = OwnKeys(Path(sys.argv[1]))
    for n in range(10**6):
        _, secret = await keys.issue(f"{sys.argv[2]}-{n}", ["read"])
        print(secret, flush=True)
asyncio.run(main())
"""


async def test_a_kill_loses_no_key_that_was_answered(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    answered: list[str] = []
    for turn in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(file), str(turn)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            answered += [process.stdout.readline().strip() for _ in range(3 + turn)]
            process.send_signal(signal.SIGKILL)
    # What a killed writer leaves beside the file is removed by the next start.
    (tmp_path / ".keys.json.1234.tmp").write_text("half a fi")
    keys = OwnKeys(file)
    for secret in answered:
        assert await keys.identify(secret)
    assert sorted(os.listdir(tmp_path)) == [".keys.json.lock", "keys.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": [{}]}',
        '{"version": 1, "keys": [{"id": "a", "hash": "zz"}]}',
        "\x00\xff",
    ],
)
async def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path, text: str) -> None:
    """And it takes nobody down who has other keys."""
    file = tmp_path / "keys.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(KeysUnreadable):
        any_in(file)
    with pytest.raises(SettingsError, match="KEYS_FILE"):
        ServiceSettings(keys_file=str(file)).check_access()
    async with managing(tmp_path) as client:
        assert (await client.get(PRODUCTS)).status_code == 200
        assert (await client.get(PRODUCTS, headers={"X-API-Key": "vp_x"})).status_code == 503
        asked = {"id": "b", "permissions": ["read"]}
        for method, path in (("POST", PATH), ("GET", PATH), ("DELETE", f"{PATH}/b")):
            assert (await client.request(method, path, json=asked)).status_code == 500
    assert file.read_bytes() == text.encode("latin-1")


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with managing(tmp_path / "file" / "folder") as client:
        assert (await client.get(PRODUCTS)).status_code == 200
        answer = await client.post(PATH, json={"id": "b", "permissions": ["read"]})
        assert answer.status_code == 500


async def test_a_file_that_breaks_while_we_run(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    async with managing(tmp_path) as client:
        key = await issued(client)
        file.write_text("broken")
        assert (await client.get(PRODUCTS, headers=key)).status_code == 200
        answer = await client.post(PATH, json={"id": "b", "permissions": ["read"]})
        assert answer.status_code == 500
        assert "operator" in answer.json()["detail"]
    assert file.read_text() == "broken"


async def test_keys_that_were_issued_are_enough_to_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"

    def alone() -> ServiceSettings:
        return ServiceSettings(keys_file=str(file))

    for make in (lambda: None, lambda: OwnKeys(file)):
        make()
        with pytest.raises(SettingsError, match="API_KEYS"):
            alone().check_access()
    await OwnKeys(file).issue("first", ["admin"])
    alone().check_access()


async def test_a_revoked_key_is_forgotten_by_others_within_a_second(tmp_path: Path) -> None:
    async with managing(tmp_path) as client, managing(tmp_path) as other:
        key = await issued(client)
        assert (await other.get(PRODUCTS, headers=key)).status_code == 200
        await client.delete(f"{PATH}/mine")
        assert (await client.get(PRODUCTS, headers=key)).status_code == 401
        async with asyncio.timeout(20):
            while (await other.get(PRODUCTS, headers=key)).status_code == 200:
                await asyncio.sleep(0.01)
