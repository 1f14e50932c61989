"""Every example of `docs/api.md` is run against `vectorplane dev`, and answers as it is shown. An
operation without a curl, an httpie and a Python example fails."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.examples import Block, Section, blocks, differences, preamble, sections
from support.local import Dev, Local
from support.parts import require_or_skip
from vectorplane.client import Client
from vectorplane_service import openapi_snapshot

KEY = "docs-secret"
SECTIONS = sections()
_BASE = re.compile(r"^/api/v1(?=/)")


class Examples:
    """A running service with the collections of the document, and what runs its examples."""

    def __init__(self, dev: Dev, folder: Path) -> None:
        self.folder = folder
        scripts = Path(sys.executable).parent
        config = folder / "httpie"
        config.mkdir()
        # A test has no terminal, and httpie takes what is none for a body.
        options = {"default_options": ["--ignore-stdin", "--check-status", "--body"]}
        (config / "config.json").write_text(json.dumps(options))
        self.environment = {
            **os.environ,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "VECTORPLANE_URL": dev.url,
            "VECTORPLANE_API_KEY": KEY,
            "HTTPIE_CONFIG_DIR": str(config),
            "NO_PROXY": "*",
        }
        self.client = Client(dev.url, api_key=KEY)
        self._points = {
            block.name: [json.loads(line) for line in block.text.splitlines()]
            for block in preamble()
            if block.language == "jsonl"
        }

    def begin(self) -> None:
        """The points of the document, and no others."""
        for name, points in self._points.items():
            collection = self.client.collection(f"shop.{name}")
            collection.delete(filter={"must_not": [{"has_id": []}]})
            collection.upsert(points)

    def shell(self, block: Block) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def python(self, block: Block, names: dict[str, Any]) -> list[str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block.text, "docs/api.md", "exec"), names)
        return out.getvalue().splitlines()


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    if shutil.which("curl") is None:
        require_or_skip("curl", "there is no curl on PATH")
    root = tmp_path_factory.mktemp("docs")
    local = Local(root)
    (manifest,) = (block for block in preamble() if block.language == "yaml")
    local.write("demo.yaml", manifest.text)
    dev = local.dev(API_KEYS=f"docs:{KEY}:admin", KEYS_FILE=str(root / "keys.json"))
    try:
        for name in ("products", "pages"):
            local.until_ready(name)
        found = Examples(dev, root)
        yield found
        found.client.close()
    finally:
        dev.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def names(examples: Examples) -> Iterator[dict[str, Any]]:
    """What the Python examples go on from."""
    found: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VECTORPLANE_URL", "VECTORPLANE_API_KEY"):
            patch.setenv(name, examples.environment[name])
        (first,) = (block for block in preamble() if block.language == "python")
        examples.python(first, found)
        yield found
        found["client"].close()


def answer(text: str) -> Any:
    """JSON where it is JSON: metrics are not."""
    return json.loads(text) if text.startswith(("{", "[")) else text


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.id)
def test_examples_do_what_they_say(
    section: Section, examples: Examples, names: dict[str, Any]
) -> None:
    shown: Any = None
    last: Any = None
    for block in section.blocks:
        if block.tool != "":
            examples.begin()
        if block.tool == "python":
            assert examples.python(block, names) == block.said(), block.text
        elif block.tool:
            last = answer(examples.shell(block))
        elif block.language == "json":
            shown = json.loads(block.text)
            assert differences(shown, last) == []
    assert shown is not None or section.path == "/metrics", "no answer is shown"


def operations() -> set[str]:
    """Of the service, without the prefix: what stands under both is one."""
    paths = openapi_snapshot.document()["paths"]
    return {
        f"{method.upper()} {_BASE.sub('', path)}" for path, item in paths.items() for method in item
    }


def test_every_operation_has_three_examples() -> None:
    assert {section.id for section in SECTIONS} == operations()
    for section in SECTIONS:
        assert section.tools() == {"curl", "http", "python"}, section.id
        called = [b for b in section.blocks if b.tool in ("curl", "http")]
        parts = re.split(r"\{\w+\}", section.path)
        pattern = r"[\w.-]+".join(map(re.escape, parts)) + r'["?]'
        assert all(re.search(pattern, block.text) for block in called), section.id


def test_examples_are_found_and_answers_compared() -> None:
    found = blocks("```bash\ncurl -s x\n```\n\n```python\nprint(1)\n# 1\n```\n```json\n{}\n```\n")
    assert [block.tool for block in found] == ["curl", "python", ""]
    assert found[1].said() == ["1"]
    shown = {"results": [{"id": 7, "score": 0.93}], "latency_ms": 1}
    assert differences(shown, {"results": [{"id": 7, "score": 0.9301}], "latency_ms": 2}) == []
    assert differences(shown, {"results": [{"id": 8, "score": 0.93}], "latency_ms": 1})
    assert differences(shown, {"results": [{"id": 7, "score": 0.93}]})
    assert differences(shown, {"results": [], "latency_ms": 1})
