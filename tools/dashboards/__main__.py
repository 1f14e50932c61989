"""Makes dashboards, rules and the list of metrics, or checks that they are current:

PYTHONPATH=tools python -m dashboards [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dashboards import grafana, reference, rules, rules_operator, rules_service
from dashboards.alerts import Times
from dashboards.boards import BOARDS

ROOT = Path(__file__).resolve().parents[2]
BOARDS_FOLDER = ROOT / "charts/vectorplane/dashboards"


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file: where it is, and its text."""
    for board in BOARDS:
        yield BOARDS_FOLDER / f"{board.uid}.json", grafana.document(board)
    times = Times()
    for name, part in (("operator", rules_operator), ("service", rules_service)):
        yield (
            ROOT / f"charts/vectorplane-{name}/files/rules.yaml",
            rules.document(part.groups(times)),
        )
    yield ROOT / "manifests/monitoring/rules.yaml", rules.document(rules.groups(times))
    yield ROOT / "docs/metrics.md", reference.document()


def main(arguments: Sequence[str]) -> int:
    """Gives the exit code: 1 where `--check` finds a file that is not current."""
    made = dict(files())
    stale = [p for p, text in made.items() if not p.is_file() or p.read_text("utf-8") != text]
    left = [path for path in sorted(BOARDS_FOLDER.glob("*")) if path not in made]
    if "--check" in arguments:
        for path in (*stale, *left):
            sys.stderr.write(
                f"vectorplane: {path.relative_to(ROOT)} is not current; make generate\n"
            )
        return int(bool(stale or left))
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
    for path in left:
        path.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
