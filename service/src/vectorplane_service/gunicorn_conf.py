"""gunicorn's configuration, from the same settings as the service.

    gunicorn -c python:vectorplane_service.gunicorn_conf vectorplane_service.main:app

gunicorn takes a configuration from the names of a module, so this module, unlike all others, works
when it is imported. It runs in the master process: wrong settings end the start here, with one
message, before there is any worker to fail over and over.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from vectorplane.settings import SettingsError
from vectorplane_service import collecting, cpus, logs
from vectorplane_service.discovery.workers import registrar
from vectorplane_service.settings import ServiceSettings

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
    from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

_METRICS = "PROMETHEUS_MULTIPROC_DIR"


def _settings() -> ServiceSettings:
    try:
        found = ServiceSettings.load()
        found.check_access()
        found.check_redis()
        found.check_consul()
    except SettingsError as error:
        raise _refused(error) from None
    return found


def _checked(workers: int) -> int:
    try:
        _loaded.check_workers(workers)
    except SettingsError as error:
        raise _refused(error) from None
    return workers


def _refused(error: SettingsError) -> SystemExit:
    sys.stderr.write(f"vectorplane: {error}\n")
    return SystemExit(2)


_loaded = _settings()

_host = f"[{_loaded.host}]" if ":" in _loaded.host else _loaded.host
bind = f"{_host}:{_loaded.port}"
workers = _checked(_loaded.web_concurrency or cpus.available())
worker_class = _loaded.worker_class
graceful_timeout = _loaded.graceful_timeout_seconds
keepalive = _loaded.keepalive
max_requests = _loaded.worker_max_requests
max_requests_jitter = _loaded.worker_max_requests_jitter
timeout = _loaded.worker_timeout_seconds
preload_app = False
"""Each worker makes its own application: connections and threads do not survive a fork."""
accesslog = None
"""The service writes its own line per request, with the request's id."""
logger_class = "vectorplane_service.worker.ServiceLogger"
control_socket_disable = True
"""It would be a file in the home directory, which a container may not have."""
if Path("/dev/shm").is_dir():
    # The heartbeat is a file: on a disk under load it would stall the worker.
    worker_tmp_dir = "/dev/shm"


def on_starting(server: Arbiter) -> None:
    """In the master, before any worker: say what starts, make the folder where workers count."""
    logs.configure(_loaded.log_level, _loaded.log_format)
    server.log.info(
        "vectorplane service starting: %s",
        ", ".join(f"{k}={v}" for k, v in {**_loaded.summary(), "workers": workers}.items()),
    )
    if not _loaded.auth_enabled:
        server.log.warning("authentication is OFF: everybody may read and write everything")
    folder = os.environ.get(_METRICS)
    if folder is None:
        # Read by prometheus_client when a worker imports it; no worker is there yet.
        folder = os.environ[_METRICS] = tempfile.mkdtemp(prefix="vectorplane-metrics-")
        server.vectorplane_metrics_folder = folder
    Path(folder).mkdir(parents=True, exist_ok=True)
    for left_over in Path(folder).glob("*.db"):
        left_over.unlink()


def when_ready(server: Arbiter) -> None:
    server.log.info("listening at %s", ", ".join(str(sock) for sock in server.LISTENERS))
    server.vectorplane_registrar = registrar(_loaded, server)


def post_fork(server: Arbiter, worker: Worker) -> None:
    worker.vectorplane_registrar = getattr(server, "vectorplane_registrar", None)


def post_worker_init(worker: Worker) -> None:
    collecting.settle()
    registered = getattr(worker, "vectorplane_registrar", None)
    if registered is not None:
        registered.work()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """In the master, when a worker has gone: its gauges no longer count."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def worker_exit(server: Arbiter, worker: Worker) -> None:
    server.log.info("worker %s has finished its requests and stops", worker.pid)


def on_exit(server: Arbiter) -> None:
    registered = getattr(server, "vectorplane_registrar", None)
    # A master that took over registers itself under the same name.
    if registered is not None and not server.reexec_pid:
        registered.end()
    folder = getattr(server, "vectorplane_metrics_folder", None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
