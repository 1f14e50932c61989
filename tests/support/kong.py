"""A real Kong for tests: the one at `KONG_ADMIN_URL` (and `KONG_PROXY_URL`), or one started from
`kong` on PATH over a PostgreSQL of its own. All on loopback, in a temporary folder, gone
afterwards.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from support.parts import require_or_skip
from support.qdrant import free_port

MISSING = "no Kong: set KONG_ADMIN_URL (and KONG_PROXY_URL), or put kong and postgres on PATH"
PLUGINS = (
    "key-auth,acl,rate-limiting,request-size-limiting,correlation-id,cors,prometheus,"
    "request-transformer"
)
START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Kong:
    """Where one is: its Admin API, and what clients ask ("" where nobody said)."""

    admin: str
    proxy: str


def available() -> bool:
    return bool(os.environ.get("KONG_ADMIN_URL")) or bool(shutil.which("kong") and _postgres())


@contextmanager
def kong() -> Iterator[Kong]:
    """The Kong that the environment names, or a fresh one with a database."""
    if not available():
        require_or_skip("kong", MISSING)
    if url := os.environ.get("KONG_ADMIN_URL"):
        yield Kong(url.rstrip("/"), os.environ.get("KONG_PROXY_URL", "").rstrip("/"))
        return
    with kong_process() as process:
        yield process.kong


@contextmanager
def kong_process() -> Iterator[KongProcess]:
    """One of our own, to be stopped and started again: the database stays."""
    _kong()
    with tempfile.TemporaryDirectory(prefix="kong-") as folder, _database(Path(folder)) as port:
        settings = {"PG_HOST": "127.0.0.1", "PG_PORT": str(port), "PG_USER": "kong"}
        process = KongProcess(Path(folder), {**settings, "PG_DATABASE": "postgres"})
        try:
            process.command("migrations", "bootstrap")
            process.start()
            yield process
        finally:
            process.stop()


@contextmanager
def kong_without_database() -> Iterator[Kong]:
    """One that takes no changes through its Admin API."""
    _kong()
    with tempfile.TemporaryDirectory(prefix="kong-") as folder:
        process = KongProcess(Path(folder), {"DATABASE": "off"})
        try:
            process.start()
            yield process.kong
        finally:
            process.stop()


class KongProcess:
    """One Kong after the other on the same ports."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._program = _kong()
        self._prefix = folder / "kong"
        self._prefix.mkdir(exist_ok=True)
        admin, proxy = free_port(), free_port()
        self.kong = Kong(f"http://127.0.0.1:{admin}", f"http://127.0.0.1:{proxy}")
        given = {
            "PREFIX": str(self._prefix),
            "ADMIN_LISTEN": f"127.0.0.1:{admin}",
            "PROXY_LISTEN": f"127.0.0.1:{proxy}",
            "ADMIN_GUI_LISTEN": "off",
            "STATUS_LISTEN": "off",
            "NGINX_WORKER_PROCESSES": "1",
            "MEM_CACHE_SIZE": "32m",
            "PLUGINS": PLUGINS,
            "ANONYMOUS_REPORTS": "off",
            # Upstreams of tests are on loopback; nothing else is looked up.
            "DNS_RESOLVER": "127.0.0.1",
            **({"NGINX_MAIN_USER": "root root"} if os.geteuid() == 0 else {}),
            **settings,
        }
        self._environment = os.environ | {f"KONG_{name}": value for name, value in given.items()}

    def command(self, *words: str) -> None:
        """`kong …` to its end. Says what it said where that fails."""
        done = subprocess.run(
            [self._program, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"kong {' '.join(words)} failed:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Returns once its Admin API answers."""
        self.command("start")
        from support.cluster import wait

        wait(self._answers, "Kong's Admin API answers", seconds=START_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and where that is not enough SIGKILL to it and its workers."""
        with suppress(OSError, ValueError):
            pid = int((self._prefix / "pids" / "nginx.pid").read_text())
            os.kill(pid, signal.SIGTERM)
            if not _gone(pid, 10):
                for worker in _children(pid):
                    os.kill(worker, signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)
                _gone(pid, 10)

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            asked = f"{self.kong.admin}/status"
            return httpx.get(asked, timeout=5, trust_env=False, verify=False).is_success
        return False


@contextmanager
def _database(folder: Path) -> Iterator[int]:
    """A PostgreSQL that loses everything at the end. It refuses to run as root."""
    programs = _postgres()
    assert programs
    owner: dict[str, Any] = {}
    data = folder / "data"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        account = _account()
        folder.chmod(0o711)
        os.chown(data, account.pw_uid, account.pw_gid)
        owner = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    port = free_port()
    log = folder / "postgres.log"
    with log.open("wb") as output:
        options: dict[str, Any] = {"stdout": output, "stderr": output, "cwd": "/", **owner}
        initdb = [programs / "initdb", "-D", data, "-A", "trust", "-U", "kong", "--no-sync"]
        subprocess.run([*map(str, initdb)], check=True, timeout=START_SECONDS, **options)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-p", str(port), *words], **options
        )
    try:
        from support.cluster import wait

        ready = "database system is ready to accept connections"
        wait(lambda: ready in log.read_text(), "PostgreSQL is ready", seconds=START_SECONDS)
        yield port
    finally:
        # At once, with its children: there is nothing to keep.
        server.send_signal(signal.SIGQUIT)
        with suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()
        server.wait()


def _kong() -> str:
    program = shutil.which("kong")
    if program is None or _postgres() is None:
        require_or_skip("kong", "no kong and postgres on PATH, to be started by tests")
    return program


def _postgres() -> Path | None:
    """The folder of PostgreSQL's programs. Distributions keep them off the PATH."""
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if all((p / n).exists() for n in ("postgres", "initdb"))), None)


def _account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    require_or_skip("kong", "no account but root to run PostgreSQL as")


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
