"""Clients of a collection while something is done to it: writers that know what they were told is
done, and readers that count what failed. They go past the operator, straight to the store.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

Json = dict[str, Any]


def vector(seed: str, size: int) -> list[float]:
    """The same for the same seed; of unit length, so every distance keeps it as it is."""
    dice = random.Random(seed)
    numbers = [dice.gauss(0, 1) for _ in range(size)]
    length = math.hypot(*numbers)
    return [x / length for x in numbers]


class Client:
    """One client of one collection, by a name that clients use."""

    def __init__(self, url: str, name: str, size: int, api_key: str | None = None) -> None:
        headers = {"api-key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
        self._path = f"/collections/{name}/points"
        self.size = size

    def close(self) -> None:
        self._http.close()

    def post(self, call: str, body: Json, *, put: bool = False, wait: bool = True) -> Any:
        """The result; None for "come back later" (429). Raises on all else that is no success."""
        answer = self._http.request(
            "PUT" if put else "POST",
            f"{self._path}{call}",
            json=body,
            params={"wait": "true" if wait else "false"},
        )
        if answer.status_code == 429:
            return None
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        return answer.json()["result"]

    def point(self, number: int, version: str) -> Json:
        payload = {"version": version, "text": f"text {number} {version}"}
        return {"id": number, "vector": vector(f"{number} {version}", self.size)} | {
            "payload": payload
        }

    def load(self, count: int, version: str = "first") -> dict[int, str]:
        """`count` points; gives the version of each."""
        for start in range(0, count, 500):
            some = range(start, min(start + 500, count))
            assert self.post("", {"points": [self.point(n, version) for n in some]}, put=True)
        return dict.fromkeys(range(count), version)

    def all(self) -> dict[int | str, Json]:
        """Every point with its vector and payload."""
        found: dict[int | str, Json] = {}
        offset: object = None
        while True:
            body = {"limit": 1000, "with_vector": True, "offset": offset}
            page = self.post("/scroll", body)
            found |= {point["id"]: point for point in page["points"]}
            offset = page["next_page_offset"]
            if offset is None:
                return found

    def count(self) -> int:
        return int(self.post("/count", {"exact": True})["count"])

    def holds(self, versions: dict[int, str]) -> None:
        """Asserts that just these points are there, each as it was last written."""
        # Takes its turn after the writes that nobody waited for.
        assert self.post("/delete", {"filter": {"must": [{"has_id": [2**60]}]}})
        found = self.all()
        assert found.keys() == versions.keys(), _difference(set(found), set(versions))
        for number, version in versions.items():
            assert found[number]["payload"]["version"] == version
            right = vector(f"{number} {version}", self.size)
            wrong = max(abs(a - b) for a, b in zip(right, found[number]["vector"], strict=True))
            assert wrong < 1e-3, f"another vector of point {number}"


class Traffic:
    """Writers that upsert, overwrite and delete, each its own points, and readers that search."""

    def __init__(self, url: str, name: str, size: int, versions: dict[int, str]) -> None:
        self.versions = versions
        self.writes = self.reads = self.refused = 0
        self.longest = 0.0
        """Seconds that a write had to be repeated for, at most."""
        self.failures: list[str] = []
        self._made = (url, name, size)
        self._stop = threading.Event()

    @contextmanager
    def flowing(self, writers: int = 2, readers: int = 2) -> Iterator[None]:
        work = [(self._write, n, writers) for n in range(writers)]
        work += [(self._read, n, readers) for n in range(readers)]
        threads = [threading.Thread(target=self._run, args=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)

    def _run(self, work: Any, number: int, of: int) -> None:
        client = Client(*self._made)
        try:
            work(client, number, of)
        except Exception as error:
            self.failures.append(f"{work.__name__}: {error!r}")
        finally:
            client.close()

    def _write(self, client: Client, writer: int, writers: int) -> None:
        dice = random.Random(writer)
        mine = {n: v for n, v in self.versions.items() if n % writers == writer}
        new = itertools.count(1_000_000 + writer, writers)
        for step in itertools.count(1):
            if self._stop.is_set():
                break
            version = f"{writer}-{step}"
            chosen = dice.sample(sorted(mine), 3)
            if step % 4 == 0:
                self._patiently(client, "/delete", {"points": chosen[:1]}, wait=step % 3 > 0)
                del mine[chosen[0]]
            else:
                numbers = [*chosen, next(new)] if step % 2 else chosen[:1]
                body = {"points": [client.point(n, version) for n in numbers]}
                self._patiently(client, "", body, put=True, wait=step % 3 > 0)
                mine |= dict.fromkeys(numbers, version)
            time.sleep(0.005)
        with _LOCK:
            for number in [n for n in self.versions if n % writers == writer]:
                del self.versions[number]
            self.versions |= mine

    def _patiently(self, client: Client, call: str, body: Json, **how: Any) -> None:
        begun = time.monotonic()
        while client.post(call, body, **how) is None:
            self.refused += 1
            time.sleep(0.02)
        self.longest = max(self.longest, time.monotonic() - begun)
        self.writes += 1

    def _read(self, client: Client, reader: int, readers: int) -> None:
        for step in itertools.count():
            if self._stop.is_set():
                break
            body = {"query": vector(f"{reader} {step}", client.size), "limit": 10}
            found = client.post("/query", body)
            assert found is not None, "a search was refused"
            assert len(found["points"]) == 10
            self.reads += 1


_LOCK = threading.Lock()


def _difference(found: set[Any], right: set[Any]) -> str:
    return f"lost: {sorted(right - found)[:9]}, back again: {sorted(found - right)[:9]}"
