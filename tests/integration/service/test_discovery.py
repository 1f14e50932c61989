"""A service that registers itself: real gunicorn and uvicorn, real Consul."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.certificates import make_certificates
from support.cluster import wait
from support.consul import Consul, ConsulProcess, consul_process
from support.controlplane import free_port
from support.gunicorn_process import TESTS, Gunicorn, gunicorn
from vectorplane_service.settings import ServiceSettings

SECONDS = 60.0


@pytest.fixture
def name() -> str:
    """Of a service that nobody has."""
    return f"vp-{uuid.uuid4().hex[:12]}"


def settings(consul: Consul, name: str, **more: str) -> dict[str, str]:
    return {
        "CONSUL_HTTP_ADDR": consul.url,
        "CONSUL_HTTP_TOKEN": consul.token,
        "CONSUL_SERVICE_NAME": name,
        "CONSUL_CHECK_INTERVAL": "1s",
        **more,
    }


def instances(consul: Consul, name: str) -> list[Any]:
    return list(consul.get(f"/v1/health/service/{name}"))


def check_of(instance: Any, name: str) -> Any:
    """That of the service, among those of its node."""
    (check,) = [check for check in instance["Checks"] if check["ServiceName"] == name]
    return check


def status_of(instance: Any, name: str) -> str:
    return str(check_of(instance, name)["Status"])


def agent_check(consul: Consul, name: str) -> Any:
    """The same as the agent has it; the catalog is told only what changes its status."""
    (check,) = consul.get("/v1/agent/checks", filter=f'ServiceName == "{name}"').values()
    return check


def passing(consul: Consul, name: str) -> Any:
    """The one instance, once its check passes."""

    def found() -> Any:
        there = instances(consul, name)
        return there if there and status_of(there[0], name) == "passing" else None

    (instance,) = wait(found, f"{name} passes", seconds=SECONDS)
    return instance


def gone(consul: Consul, name: str) -> None:
    wait(lambda: not instances(consul, name), f"{name} is gone", seconds=SECONDS)


def workers(server: Gunicorn) -> list[int]:
    master = server.process.pid
    children = Path(f"/proc/{master}/task/{master}/children").read_text()
    return [int(worker) for worker in children.split()]


def killed(server: Gunicorn) -> None:
    """The master first; its workers would leave some time later."""
    there = workers(server)
    for process in (server.process.pid, *there):
        os.kill(process, signal.SIGKILL)
    server.join()


@pytest.fixture
def left_over(consul: Consul, name: str) -> Iterator[None]:
    """Takes away what the test left on purpose."""
    yield
    for service in consul.get("/v1/agent/services", filter=f'Service == "{name}"'):
        consul.put(f"/v1/agent/service/deregister/{service}")


def test_it_appears_passes_and_goes_at_a_stop(consul: Consul, name: str) -> None:
    with gunicorn(
        **settings(consul, name, CONSUL_SERVICE_TAGS="search, eu ,", WEB_CONCURRENCY="2")
    ) as server:
        server.ready(2)
        service = passing(consul, name)["Service"]
        port = int(server.url.rpartition(":")[2])
        assert (service["Address"], service["Port"]) == ("127.0.0.1", port)
        assert service["ID"] == f"{name}-127.0.0.1-{port}"
        assert service["Tags"] == ["search", "eu"]

        assert server.stop() == 0
        assert instances(consul, name) == []
    # Once for the master, not for each of its workers.
    assert len([e for e in server.events() if e["event"] == "registered in Consul"]) == 1
    assert len([e for e in server.events() if e["event"] == "deregistered from Consul"]) == 1


def test_a_worker_that_is_replaced_changes_nothing(consul: Consul, name: str) -> None:
    with gunicorn(**settings(consul, name)) as server:
        server.ready()
        passing(consul, name)
        for number in range(2, 5):
            (worker,) = workers(server)
            os.kill(worker, signal.SIGKILL)
            server.ready(number)
        assert len(instances(consul, name)) == 1
        passing(consul, name)
        assert server.stop() == 0
    assert instances(consul, name) == []


def test_a_reload_keeps_it(consul: Consul, name: str) -> None:
    with gunicorn(**settings(consul, name)) as server:
        server.ready()
        before = passing(consul, name)["Service"]["CreateIndex"]
        server.process.send_signal(signal.SIGHUP)
        server.ready(2)
        assert passing(consul, name)["Service"]["CreateIndex"] == before
        assert server.stop() == 0
    assert instances(consul, name) == []


@pytest.mark.usefixtures("consul")
def test_a_killed_master_leaves_it_critical_to_be_reaped(name: str, tmp_path: Path) -> None:
    with consul_process({"data_dir": str(tmp_path)}) as process:
        consul = process.consul
        with gunicorn(**settings(consul, name, CONSUL_DEREGISTER_AFTER="90m")) as server:
            server.ready()
            passing(consul, name)
            killed(server)

            def critical() -> bool:
                (instance,) = instances(consul, name)
                return status_of(instance, name) == "critical"

            wait(critical, "the check fails", seconds=SECONDS)
        # No call tells after which time an agent forgets. What it writes down does.
        (kept,) = (json.loads(file.read_text()) for file in (tmp_path / "checks").iterdir())
        assert kept["ChkType"]["DeregisterCriticalServiceAfter"] == 90 * 60 * 10**9
        assert kept["ChkType"]["HTTP"].endswith("/health/ready")


@pytest.mark.usefixtures("left_over")
def test_who_comes_back_replaces_what_it_left(consul: Consul, name: str) -> None:
    port = str(free_port())
    with gunicorn(**settings(consul, name, PORT=port)) as server:
        server.ready()
        passing(consul, name)
        killed(server)
    assert len(instances(consul, name)) == 1

    with gunicorn(**settings(consul, name, PORT=port)) as server:
        server.ready()
        passing(consul, name)
        assert server.stop() == 0
    assert instances(consul, name) == []


def test_an_agent_that_forgot_is_told_again(own_consul: ConsulProcess, name: str) -> None:
    consul = own_consul.consul
    with gunicorn(**settings(consul, name)) as server:
        server.ready()
        passing(consul, name)
        own_consul.kill()
        own_consul.again()
        passing(consul, name)
        assert server.stop() == 0
        assert instances(consul, name) == []


def test_a_start_does_not_wait_for_the_agent(own_consul: ConsulProcess, name: str) -> None:
    consul = own_consul.consul
    own_consul.kill()
    with gunicorn(**settings(consul, name)) as server:
        server.ready()
        server.wait_for(_says("not registered in Consul"))
        own_consul.again()
        passing(consul, name)
        assert server.stop() == 0
        assert instances(consul, name) == []
    # Said once, and not at each try.
    assert len([e for e in server.events() if e["event"] == "not registered in Consul"]) == 1


def test_an_end_does_not_wait_for_the_agent(own_consul: ConsulProcess, name: str) -> None:
    with gunicorn(**settings(own_consul.consul, name)) as server:
        server.ready()
        passing(own_consul.consul, name)
        own_consul.kill()
        assert server.stop() == 0
    assert [e for e in server.events() if e["event"] == "not deregistered from Consul"]


def test_with_a_token_that_may_no_more_than_this(guarded_consul: Consul, name: str) -> None:
    token = guarded_consul.allowed(f'service "{name}" {{ policy = "write" }}')
    with gunicorn(**settings(guarded_consul, name, CONSUL_HTTP_TOKEN=token)) as server:
        server.ready()
        passing(guarded_consul, name)
        assert server.stop() == 0
        assert instances(guarded_consul, name) == []
    assert token not in "\n".join(server.lines)


def test_a_token_that_may_not_is_said_and_not_shown(guarded_consul: Consul, name: str) -> None:
    token = guarded_consul.allowed('service "another" { policy = "write" }')
    with gunicorn(**settings(guarded_consul, name, CONSUL_HTTP_TOKEN=token)) as server:
        server.ready()
        server.wait_for(_says(f"it needs service:write on {name}"))
        assert server.stop() == 0
    assert instances(guarded_consul, name) == []
    assert token not in "\n".join(server.lines)


def test_over_tls(secure_consul: Consul, name: str) -> None:
    made = secure_consul.certificates
    assert made is not None
    tls = {
        "CONSUL_CACERT": str(made.ca),
        "CONSUL_CLIENT_CERT": str(made.certificate),
        "CONSUL_CLIENT_KEY": str(made.key),
    }
    with gunicorn(**settings(secure_consul, name, **tls)) as server:
        server.ready()
        passing(secure_consul, name)
        assert server.stop() == 0
    assert instances(secure_consul, name) == []


def test_an_agent_of_another_ca_is_not_trusted(
    secure_consul: Consul, name: str, tmp_path: Path
) -> None:
    other = str(make_certificates(tmp_path).ca)
    with gunicorn(**settings(secure_consul, name, CONSUL_CACERT=other)) as server:
        server.ready()
        server.wait_for(_says("its certificate is not trusted"))
        assert server.stop() == 0
    assert instances(secure_consul, name) == []


def test_one_process_registers_itself(consul: Consul, name: str, tmp_path: Path) -> None:
    """uvicorn without a master."""
    port = str(free_port())
    names = {v.name for v in ServiceSettings.variables()}
    environment = {k: v for k, v in os.environ.items() if k not in names}
    environment |= settings(consul, name, HOST="127.0.0.1", PORT=port, API_KEYS="t:secret:read")
    environment |= {"PYTHONPATH": str(TESTS), "QDRANT_URL": "http://127.0.0.1:1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "vectorplane_service.main:app"]
            + ["--host", "127.0.0.1", "--port", port],
            env=environment,
            stdout=output,
            stderr=output,
            cwd=tmp_path,
        )
    try:
        # It is not ready without its Qdrant, and the check says so.
        (instance,) = wait(lambda: instances(consul, name), "registered", seconds=SECONDS)
        assert instance["Service"]["Port"] == int(port)
        wait(
            lambda: "503" in agent_check(consul, name)["Output"],
            "the agent asked",
            seconds=SECONDS,
        )
        process.terminate()
        assert process.wait(SECONDS) in (0, -signal.SIGTERM)
        gone(consul, name)
    finally:
        process.kill()
        process.wait()
    assert "deregistered from Consul" in log.read_text()


def test_without_an_address_nothing_is_registered() -> None:
    with gunicorn() as server:
        server.ready()
        assert server.stop() == 0
    assert not any("Consul" in line for line in server.lines)


def _says(words: str) -> Callable[[list[str]], bool]:
    return lambda lines: any(words in line for line in lines)
