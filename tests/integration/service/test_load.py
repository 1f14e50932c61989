"""A real user's mix for 30 s, against gunicorn with two workers: no error. See
`tests/load/locustfile.py`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import qdrant, showcase
from support.gunicorn_process import TESTS, Gunicorn, gunicorn

SECONDS = 30
USERS = 24
LEAST = 500
"""Requests that a slow machine gets through as well."""


@contextmanager
def served() -> Iterator[Gunicorn]:
    """Over a real Qdrant where there is one; else each worker has a store in its memory."""
    variables = {"WEB_CONCURRENCY": "2"}
    if not qdrant.available():
        with gunicorn("support.engine_app:app", **variables) as running:
            yield running.ready(workers=2)
        return
    with qdrant.started() as server:
        asyncio.run(showcase.filled(server.url))
        with gunicorn("support.engine_app:app", QDRANT_URL=server.url, **variables) as running:
            yield running.ready(workers=2)


@pytest.mark.timeout(SECONDS + 120)
def test_a_real_users_mix_has_no_error(tmp_path: Path) -> None:
    with served() as running:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "locust",
                f"--locustfile={TESTS / 'load' / 'locustfile.py'}",
                f"--host={running.url}",
                "--headless",
                f"--users={USERS}",
                f"--spawn-rate={USERS}",
                f"--run-time={SECONDS}s",
                "--stop-timeout=10",
                "--json",
                "--skip-log",
                "--only-summary",
            ],
            cwd=tmp_path,
            # gevent and the coverage of subprocesses do not go together.
            env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert running.stop() == 0
        lines = running.requests()
    said = ended.stdout + ended.stderr
    found = json.loads(ended.stdout[ended.stdout.index("[") :])
    assert ended.returncode == 0, said
    assert {one["name"]: one["num_failures"] for one in found if one["num_failures"]} == {}, said
    asked = sum(one["num_requests"] for one in found)
    assert asked >= LEAST
    assert {line["status"] for line in lines} == {200}
    assert "Traceback" not in "\n".join(running.lines)
    names = {one["name"] for one in found}
    assert {"search", "search, hybrid", "upsert", "scroll on", "delete"} <= names
