"""Checks the charts: `helm lint --strict`, and the unit tests of their templates.

python tools/chart_check.py

Where Helm is missing and cannot be built, that is said and passed over, unless REQUIRE names helm.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from helm_tools import Missing, program

CHARTS = Path(__file__).resolve().parents[1] / "charts"


def main() -> int:
    """Gives the exit code: 1 where a chart is not as it should be."""
    try:
        helm, unittest = program("helm"), program("helm-unittest")
    except Missing as error:
        sys.stderr.write(f"vectorplane: THE CHARTS ARE NOT CHECKED: {error}\n")
        return int("helm" in os.environ.get("REQUIRE", "").replace(",", " ").split())
    charts = [str(file.parent) for file in sorted(CHARTS.glob("*/Chart.yaml"))]
    lint = [helm, "lint", "--strict", "--quiet", *charts]
    failed = subprocess.run(lint, check=False).returncode
    tests = [unittest, "--with-subchart=false", *charts]
    failed |= subprocess.run(tests, check=False).returncode
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
