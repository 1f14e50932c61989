"""A real Prometheus for tests, and promtool: from Debian's package `prometheus`."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from support.cluster import wait
from support.parts import require_or_skip
from support.qdrant import free_port

Json = dict[str, Any]
MISSING = "no prometheus and promtool on PATH (Debian's package prometheus)"
INTERVAL = "500ms"
"""Between scrapes, and between evaluations of the rules."""


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`promtool …` to its end."""
    program = shutil.which("promtool") or require_or_skip("prometheus", MISSING)
    command = [program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


class Prometheus:
    """Its HTTP API, as far as tests ask."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def ready(self) -> bool:
        try:
            return self._http.get("/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, expr: str) -> list[Json]:
        """What an expression gives now. Raises `AssertionError` where it is none."""
        answer = self._http.post("/api/v1/query", data={"query": expr})
        body: Json = answer.json()
        assert body["status"] == "success", f"{body.get('error')}: {expr}"
        found: list[Json] = body["data"]["result"]
        return found

    def numbers(self, expr: str) -> list[float]:
        """The values of that, without those that are no numbers."""
        values = [float(one["value"][1]) for one in self.ask(expr)]
        return [value for value in values if value == value]

    def range(self, expr: str, start: float, end: float, step: float) -> list[Json]:
        """What it gave, from `start` to `end` (Unix time)."""
        asked = {"query": expr, "start": str(start), "end": str(end), "step": str(step)}
        body: Json = self._http.post("/api/v1/query_range", data=asked).json()
        assert body["status"] == "success", f"{body.get('error')}: {expr}"
        found: list[Json] = body["data"]["result"]
        return found

    def alerts(self, store: str = "") -> dict[str, str]:
        """State by name: pending or firing, of all that are not at rest; of those about a store,
        only where its name begins so."""
        body: Json = self._http.get("/api/v1/alerts").json()
        states: dict[str, str] = {}
        for alert in body["data"]["alerts"]:
            name = alert["labels"]["alertname"]
            asked = alert["labels"].get("store", store).startswith(store)
            if asked and states.get(name) != "firing":
                states[name] = alert["state"]
        return states

    def broken(self) -> dict[str, str]:
        """The rules that could not be evaluated, and why."""
        body: Json = self._http.get("/api/v1/rules").json()
        rules = [rule for group in body["data"]["groups"] for rule in group["rules"]]
        return {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")}

    def names(self) -> set[str]:
        """All metrics that were ever scraped, or recorded."""
        return set(self._http.get("/api/v1/label/__name__/values").json()["data"])


@contextmanager
def prometheus(targets: Mapping[str, Path], rules: str) -> Iterator[Prometheus]:
    """Scrapes what each job's file of targets (JSON, `file_sd`) names, and evaluates `rules`."""
    program = shutil.which("prometheus") or require_or_skip("prometheus", MISSING)
    with tempfile.TemporaryDirectory(prefix="prometheus-") as place:
        folder, port = Path(place), free_port()
        (folder / "rules.yaml").write_text(rules)
        settings = {
            "global": {
                "scrape_interval": INTERVAL,
                "scrape_timeout": INTERVAL,
                "evaluation_interval": INTERVAL,
            },
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {
                    "job_name": job,
                    "scrape_interval": "1s",
                    "scrape_timeout": "1s",
                    "file_sd_configs": [{"files": [str(file)], "refresh_interval": "1s"}],
                }
                for job, file in targets.items()
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings))
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    program,
                    f"--config.file={folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ],
                stdout=output,
                stderr=output,
                cwd=folder,
            )
        found = Prometheus(f"http://127.0.0.1:{port}")
        try:
            wait(found.ready, f"Prometheus is ready: {log}", seconds=60)
            yield found
        finally:
            found.close()
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
