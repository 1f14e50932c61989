"""`make demo`, without make: a cold run and a second one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[3] / "examples" / "demo.py"


@pytest.mark.timeout(300)
def test_the_demo_twice(tmp_path: Path) -> None:
    environment = {**os.environ, "DEMO_DATA": str(tmp_path / "demo"), "COLUMNS": "160"}
    environment.pop("KEEP", None)

    def run() -> str:
        done = subprocess.run(
            [sys.executable, str(DEMO)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "demo ok"
        return done.stdout

    cold = run()
    assert "demo.digits: 1,497 points in" in cold
    assert "agreed" in cold
    physical = {}
    for path in sorted((tmp_path / "demo" / "resources" / "demo").glob("*.json")):
        physical[path.name] = json.loads(path.read_text())["metadata"]["uid"]
    assert sorted(physical) == ["digits.json", "packages.json"]
    again = run()
    assert "demo.digits: 1,497 points are there already" in again
    assert "demo.packages:" in again
    assert " are there already" in again.split("demo.packages:")[1]
    for name, uid in physical.items():
        path = tmp_path / "demo" / "resources" / "demo" / name
        assert json.loads(path.read_text())["metadata"]["uid"] == uid
    assert not (tmp_path / "demo" / "run.json").exists()
