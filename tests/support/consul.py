"""A real Consul for tests: the one at `CONSUL_HTTP_ADDR`, `consul` on PATH, or one built by Go from
`tests/consul` and kept under a name made from its sources. Servers of our own are single ones in
memory, on free ports of the loopback; they end with the test."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import go_programs
import httpx
import pytest

from support.certificates import Certificates, make_certificates
from support.cluster import wait
from support.parts import require_or_skip

SOURCES = Path(__file__).resolve().parents[1] / "consul"
PACKAGE = "github.com/hashicorp/consul"
START_SECONDS = 90.0
_TRIES = 3
"""A port that was free may be somebody's a moment later."""


@dataclass(frozen=True, slots=True)
class Consul:
    """A Consul that answers, and what is needed to ask it."""

    url: str
    token: str = ""
    certificates: Certificates | None = None

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **query: str
    ) -> Any:
        """What a call of its HTTP interface is answered with; raises for an error."""
        with self._client() as client:
            answer = client.request(
                method,
                path,
                params=query,
                json=body,
                headers={"x-consul-token": self.token if token is None else token},
            )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def get(self, path: str, **query: str) -> Any:
        return self.ask("GET", path, **query)

    def put(self, path: str, body: Any = None) -> Any:
        return self.ask("PUT", path, body)

    def allowed(self, rules: str) -> str:
        """A new token that may do what the rules say."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        policy = self.put("/v1/acl/policy", {"Name": name, "Rules": rules})
        token = self.put("/v1/acl/token", {"Policies": [{"ID": policy["ID"]}]})
        return str(token["SecretID"])

    def _client(self) -> httpx.Client:
        verify: ssl.SSLContext | bool = False
        if self.certificates is not None:
            verify = ssl.create_default_context(cafile=self.certificates.ca)
            verify.load_cert_chain(self.certificates.certificate, self.certificates.key)
        return httpx.Client(base_url=self.url, verify=verify, timeout=30, trust_env=False)


class ConsulProcess:
    """One server after the other on the same ports. It keeps nothing: each knows nothing of what
    the one before was told."""

    def __init__(self, program: Path, folder: Path, settings: Mapping[str, Any]) -> None:
        self._program = program
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> None:
        """Returns once it has a leader."""
        for attempt in range(1, _TRIES + 1):
            if not self.port or attempt > 1:
                self.port, *others = _free_ports(4)
                self._configure(self.port, *others)
            if self._started():
                return
            self.kill()
        log = (self._folder / "log").read_text(errors="replace")
        raise AssertionError(f"Consul did not start:\n{log[-3000:]}")

    def again(self) -> None:
        """The next one, on the ports of the one before."""
        if not self._started():
            self.kill()
            log = (self._folder / "log").read_text(errors="replace")
            raise AssertionError(f"Consul did not start again:\n{log[-3000:]}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def consul(self) -> Consul:
        return Consul(f"http://127.0.0.1:{self.port}")

    def _configure(self, http: int, serf: int, server: int, other: int) -> None:
        secure = "tls" in self._settings
        ports = {
            "http": -1 if secure else http,
            "https": http if secure else -1,
            "dns": -1,
            "grpc": -1,
            "grpc_tls": -1,
            "serf_lan": serf,
            "serf_wan": -1,
            "server": server,
        }
        settings = {"ports": ports, "node_name": f"test-{other}", "log_level": "warn"}
        (self._folder / "consul.json").write_text(json.dumps(settings | dict(self._settings)))

    def _started(self) -> bool:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._program),
                    *("agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1"),
                    f"-config-file={self._folder / 'consul.json'}",
                ],
                stdout=log,
                stderr=log,
                # Of the environment it would take a token, or an address.
                env={k: v for k, v in os.environ.items() if not k.startswith("CONSUL_")},
            )
        process = self._process

        def led() -> object:
            return process.poll() is not None or self._leads()

        wait(led, "consul has a leader", seconds=START_SECONDS)
        return process.poll() is None

    def _leads(self) -> bool:
        with suppress(OSError):
            if "tls" in self._settings:
                # Who asks has no certificate yet: that it listens must do.
                with socket.create_connection(("127.0.0.1", self.port), 5):
                    return True
        with suppress(httpx.HTTPError, ValueError):
            found = httpx.get(f"{self.consul.url}/v1/status/leader", timeout=5, trust_env=False)
            return bool(found.json())
        return False


def available() -> bool:
    return bool(os.environ.get("CONSUL_HTTP_ADDR") or shutil.which("consul") or shutil.which("go"))


def prepare() -> None:
    """Build Consul ahead, where it will be built: that takes minutes, more than one test may. What
    goes wrong is told by the first test that needs it."""
    if shutil.which("consul"):
        return
    with suppress(pytest.skip.Exception, pytest.fail.Exception):
        built()


def program() -> Path:
    """`consul` on PATH, or the one that is built."""
    found = shutil.which("consul")
    return Path(found) if found else built()


def built() -> Path:
    """The binary of `tests/consul`; built where no earlier run left it."""
    try:
        return go_programs.built("consul", SOURCES, package=PACKAGE)
    except go_programs.Missing as error:
        hint = "set CONSUL_HTTP_ADDR, or put consul or go on PATH"
        require_or_skip("consul", f"no Consul: {hint} ({error})")


@contextmanager
def any_consul() -> Iterator[Consul]:
    """The one that the environment names (with `CONSUL_HTTP_TOKEN`), or one of our own. Others may
    use it: tests take nodes and services of their own."""
    if url := os.environ.get("CONSUL_HTTP_ADDR"):
        url = url if "://" in url else f"http://{url}"
        yield Consul(url, os.environ.get("CONSUL_HTTP_TOKEN", ""))
        return
    with consul_process() as process:
        yield process.consul


@contextmanager
def consul_process(settings: Mapping[str, Any] | None = None) -> Iterator[ConsulProcess]:
    """One of our own, to be killed and started again."""
    binary = program()
    with tempfile.TemporaryDirectory(prefix="consul-") as folder:
        process = ConsulProcess(binary, Path(folder), settings or {})
        try:
            process.start()
            yield process
        finally:
            process.kill()


@contextmanager
def guarded_consul() -> Iterator[Consul]:
    """With ACLs: nobody may do anything without a token. Gives it with the one that may do all."""
    token = str(uuid.uuid4())
    # An agent takes its own token to forget what it was told by others.
    tokens = {"initial_management": token, "agent": token}
    acl = {"enabled": True, "default_policy": "deny", "tokens": tokens}
    with consul_process({"acl": acl}) as process:
        consul = Consul(process.consul.url, token)

        def answers() -> bool:
            with suppress(httpx.HTTPError):
                return bool(consul.get("/v1/acl/token/self"))
            return False

        wait(answers, "consul has its ACLs", seconds=START_SECONDS)
        yield consul


@contextmanager
def secure_consul() -> Iterator[Consul]:
    """With TLS alone, for clients that bring a certificate of its CA."""
    with tempfile.TemporaryDirectory(prefix="consul-tls-") as folder:
        made = make_certificates(Path(folder))
        files = {
            "ca_file": str(made.ca),
            "cert_file": str(made.certificate),
            "key_file": str(made.key),
        }
        with consul_process({"tls": {"https": files | {"verify_incoming": True}}}) as process:
            consul = Consul(f"https://127.0.0.1:{process.port}", certificates=made)

            def leads() -> bool:
                with suppress(httpx.HTTPError):
                    return bool(consul.get("/v1/status/leader"))
                return False

            wait(leads, "consul has a leader", seconds=START_SECONDS)
            yield consul


def _free_ports(number: int) -> list[int]:
    """Different ones: all are taken before the first is given back."""
    with ExitStack() as stack:
        found = []
        for _ in range(number):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            found.append(int(listener.getsockname()[1]))
        return found
