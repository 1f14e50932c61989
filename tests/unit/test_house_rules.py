"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 420


def tracked(*patterns: str) -> list[Path]:
    """Files of the project: what git tracks and what it would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("folder", ["operator", "core", "service", "core/src", "operator/src"])
def test_no_folder_shadows_a_standard_module(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def test_the_standard_operator_is_what_python_imports_from_the_root() -> None:
    code = "import operator; print(operator.add(1, 2))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "3"


def test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py")
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_reconcile_fits_on_a_screen() -> None:
    lines = (ROOT / "core/src/vectorplane/reconcile.py").read_text().splitlines()
    assert len(lines) <= 110


@pytest.mark.parametrize("package", ["vectorplane", "vectorplane_operator", "vectorplane_service"])
def test_every_module_says_why_it_exists(package: str) -> None:
    modules = [p for p in tracked("*.py") if package in p.parts]
    assert modules
    silent = [
        str(p.relative_to(ROOT))
        for p in modules
        if p.read_text().strip() and not p.read_text().lstrip().startswith(('"""', 'r"""'))
    ]
    assert not silent


def test_pins_are_hashed_and_carry_no_address() -> None:
    files = tracked("constraints/*.txt")
    assert {f.name for f in files} >= {"demo.txt", "dev.txt"}
    for file in files:
        text = file.read_text()
        assert "://" not in text, file.name
        pins = re.findall(r"^[A-Za-z0-9_.-]+(?:\[[^]]*\])?==\S+.*$", text, re.MULTILINE)
        assert pins
        assert all(pin.rstrip().endswith("\\") for pin in pins), "each pin is followed by hashes"


def test_no_path_of_one_machine_is_committed() -> None:
    path = re.compile(r"(?<![\w.-])/(work|root)/")
    for file in tracked():
        if file.suffix in {".png", ".gz"}:
            continue
        found = path.search(file.read_text(errors="replace"))
        assert not found or file == Path(__file__), f"{file.relative_to(ROOT)}: {found}"
