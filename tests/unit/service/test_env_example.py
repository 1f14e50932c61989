from __future__ import annotations

from pathlib import Path

import pytest

from vectorplane_service.env_example import main, render
from vectorplane_service.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_file_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ROOT / ".env.example").read_text() == render()
    monkeypatch.chdir(ROOT)
    assert main(["--check"]) == 0


def test_every_variable_is_in_it_with_words() -> None:
    for variable in ServiceSettings.variables():
        assert f"# {variable.name}={variable.default}\n" in render()
        assert variable.description.endswith((".", "]"))


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == render()


@pytest.mark.parametrize("content", [None, "# PORT=1\n"])
def test_a_stale_file_is_told(
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / ".env.example").write_text(content)
    assert main(["--check"]) == 1
    assert ".env.example is not what the settings say" in capsys.readouterr().err
