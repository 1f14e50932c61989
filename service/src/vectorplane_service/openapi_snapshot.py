"""The committed OpenAPI document of each version of the API, written and compared:

python -m vectorplane_service.openapi_snapshot
python -m vectorplane_service.openapi_snapshot --check [--since REVISION]

`docs/openapi/<version>.json` is the promise to clients. An incompatible change (see
`openapi_rules`) fails, and is not written either: it belongs into another version, with another
`API_VERSION`. A compatible one only asks for the snapshot to be written anew. `--since` compares
with the snapshot of a git revision as well, so that no change slips in together with its snapshot.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from vectorplane_service.openapi_rules import incompatible
from vectorplane_service.settings import ServiceSettings

FOLDER = Path("docs/openapi")


def document() -> dict[str, Any]:
    """The document of the code as it is, without examples: those are no promise."""
    from vectorplane_service.app import create_app

    # Said outright, every default: no variable of this machine may change the promise.
    defaults = {
        name: field.get_default(call_default_factory=True, validated_data={})
        for name, field in ServiceSettings.model_fields.items()
    }
    settings = ServiceSettings(**{**defaults, "auth_enabled": False})
    app = create_app(settings, points=_no_store)
    found: dict[str, Any] = json.loads(json.dumps(without_examples(app.openapi())))
    found["info"]["version"] = settings.api_version
    return found


async def _no_store() -> Any:
    raise AssertionError("a document needs no store")


def without_examples(node: Any, *, named: bool = False) -> Any:
    """The same without `example` and `examples`; `named`: the keys are names of properties, and
    one of them may be called so."""
    if isinstance(node, list):
        return [without_examples(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_examples(value, named=key in ("properties", "schemas") and not named)
        for key, value in node.items()
        if named or key not in ("example", "examples")
    }


def text_of(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def snapshot_file(version: str) -> Path:
    return FOLDER / f"{version}.json"


def problems(committed: str, found: dict[str, Any]) -> list[str]:
    """What the code's document breaks of the committed one."""
    return incompatible(json.loads(committed), found, datetime.now(UTC).date())


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; 1 where the snapshot is not current.")
@click.option("--since", metavar="REVISION", help="Compare with this git revision's snapshot too.")
def command(check: bool, since: str | None) -> int:
    """Write, or compare, the OpenAPI document of this version of the API."""
    found = document()
    file = snapshot_file(found["info"]["version"])
    committed = [file.read_text(encoding="utf-8")] if file.is_file() else []
    if since is not None:
        committed += _of_revision(since, file)
    broken = [why for text in committed for why in problems(text, found)]
    for why in dict.fromkeys(broken):
        click.echo(f"incompatible: {why}", err=True)
    if broken:
        click.echo(
            f"vectorplane: clients of {file} would break. Keep what they use, or make another"
            " version of the API",
            err=True,
        )
        return 1
    if file.is_file() and file.read_text(encoding="utf-8") == text_of(found):
        return 0
    if check:
        click.echo(
            f"vectorplane: {file} is not current; nothing breaks, so write it anew: "
            "python -m vectorplane_service.openapi_snapshot",
            err=True,
        )
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text_of(found), encoding="utf-8")
    return 0


def _of_revision(revision: str, file: Path) -> list[str]:
    """The snapshot of a revision; none where it had none."""
    shown = subprocess.run(
        ["git", "show", f"{revision}:{file.as_posix()}"], capture_output=True, check=False
    )
    return [shown.stdout.decode()] if shown.returncode == 0 else []


def main(arguments: Sequence[str]) -> int:
    """Gives the exit code."""
    return int(command.main(list(arguments), standalone_mode=False) or 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
