"""The console script: commands by entry point, errors in one line, exit codes."""

from __future__ import annotations

import errno
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from vectorplane import __version__, cli
from vectorplane.errors import Stalled


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> list[Exception | int | None]:
    """What the one command `try` raises or gives."""
    outcome: list[Exception | int | None] = []

    def run() -> None:
        result = outcome[0]
        if isinstance(result, Exception):
            raise result
        if isinstance(result, int):
            raise click.exceptions.Exit(result)

    entry = EntryPoint("try", "nowhere:run", cli.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: click.Command("try", callback=run))
    monkeypatch.setattr(cli, "entry_points", lambda group: [entry])
    return outcome


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_every_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("apply", "delete", "dev", "get", "load", "plan", "search", "upsert"):
        assert f"  {name}  " in out


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (2, 2)])
def test_a_command_gives_its_exit_code(
    command: list[Exception | int | None], result: int | None, code: int
) -> None:
    command.append(result)
    assert cli.main(["try"]) == code


def test_our_errors_are_one_line(
    command: list[Exception | int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(Stalled("the tea is cold"))
    assert cli.main(["try"]) == 1
    assert capsys.readouterr().err == "error: the tea is cold\n"


def test_a_wrong_call_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["no-such-command"]) == 2
    assert "No such command" in capsys.readouterr().err


@pytest.mark.parametrize("how", [click.Abort(), KeyboardInterrupt()])
def test_ctrl_c_is_quiet(
    command: list[BaseException | int | None],
    how: BaseException,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted() -> None:
        raise how

    monkeypatch.setattr(EntryPoint, "load", lambda self: click.Command("try", callback=interrupted))
    assert cli.main(["try"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_extra_is_one_line_at_the_call(
    command: list[Exception | int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    command.append(ModuleNotFoundError("no", name="qdrant_edge"))
    assert cli.main(["try"]) == 1
    err = capsys.readouterr().err
    assert "`vectorplane try` needs the extra local: pip install 'vectorplane[local]'" in err
    assert "qdrant_edge" in err
    assert err.count("\n") == 1


def test_a_missing_extra_is_told_by_the_list_and_by_every_call(
    command: list[Exception | int | None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(self: EntryPoint) -> click.Command:
        raise ModuleNotFoundError("no", name="watchfiles")

    monkeypatch.setattr(EntryPoint, "load", missing)
    assert cli.main(["--help"]) == 0
    assert "(needs the extra local)" in capsys.readouterr().out
    for call in (["try"], ["try", "--help"], ["try", "-f", "x", "y"]):
        assert cli.main(call) == 1
        assert "`vectorplane try` needs the extra local" in capsys.readouterr().err


def test_a_module_of_our_own_that_is_missing_is_a_bug(
    command: list[Exception | int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    command.append(ModuleNotFoundError("no", name="vectorplane.nowhere"))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["try"])

    def missing(self: EntryPoint) -> click.Command:
        raise ModuleNotFoundError("no", name="vectorplane_service.nowhere")

    monkeypatch.setattr(EntryPoint, "load", missing)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["try"])


def test_a_failing_disk_is_not_hidden(command: list[Exception | int | None]) -> None:
    command.append(OSError(errno.EIO, "broken"))
    with pytest.raises(OSError, match="broken"):
        cli.main(["try"])


def test_a_reader_that_goes_is_no_error(tmp_path: Path) -> None:
    run = [sys.executable, "-c", "import sys; from vectorplane.cli import main; sys.exit(main())"]
    with subprocess.Popen(
        [*run, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys; from vectorplane.cli import main; main(['get', '--help']);"
        "heavy = {'fastapi', 'uvicorn', 'qdrant_edge', 'wordllama', 'sklearn', 'kopf'};"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_plugin_of_kubectl_has_what_is_about_a_cluster_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.kubectl(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: kubectl vectorplane")
    assert "plan" in shown
    assert "dev" not in shown
    assert cli.kubectl(["dev"]) == 2
    assert "No such command" in capsys.readouterr().err
    assert cli.kubectl(["plan"]) == 2
    assert "Give a name, or manifests" in capsys.readouterr().err
