"""compose.yaml: a valid Compose file that leaks nothing and starts nothing without passwords; and
the walk through Kong, with the same settings and the real parts as processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from support import compose
from support.cluster import wait
from support.consul import Consul
from support.gunicorn_process import gunicorn
from support.kong import Kong
from support.parts import require_or_skip
from support.qdrant import MISSING, QdrantServer, available, started
from support.redis import redis_url

pytestmark = pytest.mark.timeout(600)
WALK = compose.ROOT / "compose" / "walk" / "walk.py"
PARTS = {
    "consul",
    "grafana",
    "kong",
    "kong-migrations",
    "postgres",
    "prometheus",
    "qdrant",
    "rabbitmq",
    "redis",
    "service",
    "walk",
}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def whole() -> Json:
    return compose.read()


def test_it_is_a_compose_file_with_every_part(whole: Json) -> None:
    assert set(whole["services"]) == PARTS
    waits = {name for name, s in whole["services"].items() if s.get("depends_on")}
    assert {"service", "walk", "kong", "kong-migrations", "grafana"} <= waits


def test_a_wrong_file_is_found(tmp_path: Path) -> None:
    broken = yaml.safe_load(compose.FILE.read_text(encoding="utf-8"))
    broken["services"]["service"]["portz"] = ["1:1"]
    file = tmp_path / "compose.yaml"
    file.write_text(yaml.safe_dump(broken), encoding="utf-8")
    with pytest.raises(AssertionError, match="portz"):
        compose.read(file)


@pytest.mark.parametrize("name", sorted(compose.values()))
def test_nothing_starts_without_a_password(name: str) -> None:
    others = {k: v for k, v in compose.values().items() if k != name}
    with pytest.raises(AssertionError, match=f"{name} is missing a value"):
        compose.read(variables=others)


def test_passwords_are_marked_and_nowhere_else() -> None:
    values = compose.values()
    assert all("development-only" in value for value in values.values())
    assert len(set(values.values())) == len(values)
    for file in [compose.FILE, *compose.FILE.with_suffix("").glob("**/*")]:
        if file.is_file() and file != compose.VALUES:
            assert "development-only" not in file.read_text(encoding="utf-8"), file


def test_every_image_is_pinned_and_every_server_is_looked_after(whole: Json) -> None:
    for name, service in whole["services"].items():
        if "build" in service:
            assert re.search(r"@sha256:[0-9a-f]{64}$", service["build"]["args"]["PYTHON"])
            continue
        tag = service["image"].rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag), f"{name}: {service['image']} is no version"
        assert name == "kong-migrations" or "healthcheck" in service, name


def test_ports_are_open_to_this_machine_alone(whole: Json) -> None:
    published = {
        (port["host_ip"], int(port["target"]))
        for service in whole["services"].values()
        for port in service.get("ports", ())
    }
    assert {address for address, _ in published} == {"127.0.0.1"}
    assert {10200, 8000} <= {port for _, port in published}
    assert not {8001, 5432, 6379} & {port for _, port in published}
    assert whole["services"]["kong"]["environment"]["KONG_ADMIN_LISTEN"] == "127.0.0.1:8001"


def test_our_own_containers_may_nothing(whole: Json) -> None:
    for name in ("service", "walk"):
        service = whole["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_files_that_are_mounted_are_there(whole: Json) -> None:
    mounted = [
        Path(volume["source"])
        for service in whole["services"].values()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind"
    ]
    assert mounted
    assert [path for path in mounted if not path.exists()] == []
    assert Path(whole["configs"]["prometheus"]["file"]).is_file()


def test_what_prometheus_scrapes_is_there(whole: Json) -> None:
    text = Path(whole["configs"]["prometheus"]["file"]).read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["scrape_configs"]
    hosts = {t.split(":")[0] for job in jobs for s in job["static_configs"] for t in s["targets"]}
    assert {"service", "qdrant", "kong"} <= hosts <= set(whole["services"])


@pytest.fixture(scope="module")
def guarded_qdrant() -> Iterator[QdrantServer]:
    """As compose starts it: with a key."""
    if not available() or os.environ.get("QDRANT_URL"):
        require_or_skip("qdrant", MISSING)
    with started(QDRANT__SERVICE__API_KEY=compose.values()["QDRANT_API_KEY"]) as server:
        yield server


def test_the_walk_through_kong(
    whole: Json, guarded_qdrant: QdrantServer, kong_server: Kong, consul: Consul
) -> None:
    settings: Json = whole["services"]["service"]["environment"] | {
        "QDRANT_URL": guarded_qdrant.url,
        "TRUSTED_PROXIES": "127.0.0.1/32",
        "CONSUL_HTTP_ADDR": consul.url,
        "CONSUL_HTTP_TOKEN": consul.token,
    }
    with redis_url() as redis:
        settings["REDIS_URL"] = redis
        with gunicorn("vectorplane_service.main:app", **settings) as service:
            service.ready()
            asked = whole["services"]["walk"]["environment"] | {
                "QDRANT_URL": guarded_qdrant.url,
                "KONG_ADMIN_URL": kong_server.admin,
                "GATEWAY_URL": kong_server.proxy,
                "SERVICE_URL": service.url,
            }
            first, second = walk(asked), walk(asked)
            direct = httpx.get(f"{service.url}/api/v1/collections/demo.products", trust_env=False)
            port = int(service.url.rsplit(":", 1)[1])
            path = "/v1/health/service/vectorplane"
            wait(
                lambda: port in {e["Service"]["Port"] for e in consul.get(path, passing="true")},
                "Consul says that the service is there",
                seconds=60,
            )

    assert first.returncode == 0, first.stdout + first.stderr
    for line in ("searched with the key", "401 without a key", "403 a foreign key", "walk ok"):
        assert line in first.stdout
    assert "collection demo.products: 0 changes" not in first.stdout
    assert second.returncode == 0, second.stdout + second.stderr
    assert "collection demo.products: 0 changes" in second.stdout
    assert "way through Kong: 0 changes" in second.stdout
    assert direct.status_code == 401
    assert asked["DEMO_KEY"] not in first.stdout + first.stderr


def test_a_walk_says_what_it_lacks_and_what_is_away() -> None:
    without = walk({})
    assert without.returncode == 1
    assert without.stderr == "walk failed: DEMO_KEY is not set; see compose/.env.example\n"
    away = walk({"DEMO_KEY": "some-demo-key", "QDRANT_URL": "http://127.0.0.1:1"})
    assert away.returncode == 1
    assert away.stderr.startswith("walk failed: the collection: ")
    assert "Traceback" not in away.stderr


def walk(environment: Json) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(WALK)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
