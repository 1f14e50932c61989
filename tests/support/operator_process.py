"""The operator as a process of its own, as a person would start it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.cluster import wait
from support.controlplane import free_port

TESTS = Path(__file__).parents[1]
KOPF = (sys.executable, "-m", "kopf", "run", "--all-namespaces", "-m")
COMMAND = (sys.executable, "-m", "vectorplane_operator")


@dataclass
class OperatorProcess:
    """One operator. `log` is its standard error.

    `lease` is one of its own, so it need not wait until that of one that was killed runs out;
    replicas share one.
    """

    command: Sequence[str]
    kubeconfig: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    lease: str = field(default_factory=lambda: f"operator-{secrets.token_hex(4)}")
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> OperatorProcess:
        env = os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "OPERATOR_HTTP_HOST": "127.0.0.1",
            "OPERATOR_HTTP_PORT": str(self.port),
            "OPERATOR_LEASE_NAME": self.lease,
            "PYTHONPATH": str(TESTS),
            **self.env,
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                list(self.command), env=env, stdout=output, stderr=output, cwd=self.log.parent
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        def answers() -> bool:
            assert self.running, f"the operator ended:\n{self.text()[-4000:]}"
            return self.get("/readyz") == 200

        wait(answers, "the operator is ready", seconds=60)

    def get(self, path: str) -> int | None:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False).status_code
        except httpx.HTTPError:
            return None

    def metrics(self) -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False).text
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL: nothing more happens in it."""
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM; gives the exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def rss(self) -> float:
        """Resident megabytes."""
        assert self.process
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Its own log lines of one kind."""
        found = []
        for line in self.text().splitlines():
            if line.startswith("{"):
                entry = json.loads(line)
                if entry.get("event") == event:
                    found.append(entry)
        return found
