"""Keys that `vectorplane dev` gives out: they live in its data folder."""

from __future__ import annotations

import signal
import stat

import httpx

from support.local import Local, manifest, point

ROOT = {"X-API-Key": "root-secret"}


def test_an_issued_key_outlives_a_kill(local: Local) -> None:
    local.write("products.yaml", manifest())
    with_key = {"API_KEYS": "root:root-secret:admin"}
    dev = local.dev(**with_key)
    local.until_ready("products")
    assert "issued here (POST /api/v1/keys)" in dev.said()
    asked = {"id": "mine", "permissions": ["write"], "collections": ["shop.*"]}
    keys = f"{dev.url}/api/v1/keys"
    made = httpx.post(keys, json=asked, headers=ROOT, trust_env=False)
    assert made.status_code == 201, made.text
    mine = {"X-API-Key": made.json()["key"]}
    file = local.data / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.json()["key"] not in file.read_text()

    dev.end(signal.SIGKILL)
    again = local.dev(**with_key)
    put = {"points": [point(1)]}
    answer = again.client.put("shop.products/points", json=put, headers=mine)
    assert answer.status_code == 200, answer.text
    keys = f"{again.url}/api/v1/keys"
    assert httpx.get(keys, headers=mine, trust_env=False).status_code == 403
    gone = httpx.delete(f"{keys}/mine", headers=ROOT, trust_env=False)
    assert gone.status_code == 200
    answer = again.client.put("shop.products/points", json=put, headers=mine)
    assert answer.status_code == 401
    assert made.json()["key"] not in dev.said() + again.said()


def test_issued_keys_are_enough_where_keys_are_asked_for(local: Local) -> None:
    first = local.dev()
    asked = {"id": "admin", "permissions": ["admin"]}
    made = httpx.post(f"{first.url}/api/v1/keys", json=asked, trust_env=False).json()
    first.end()
    dev = local.dev(AUTH_ENABLED="true")
    url = f"{dev.url}/api/v1/keys"
    assert httpx.get(url, trust_env=False).status_code == 401
    answer = httpx.get(url, headers={"X-API-Key": made["key"]}, trust_env=False)
    assert [key["id"] for key in answer.json()["keys"]] == ["admin"]
