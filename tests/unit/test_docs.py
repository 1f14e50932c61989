"""The documentation is held to the code: every reason explained, every generated page current,
every link of the README there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from docs import pictures, reasons, references

import vectorplane_operator.app  # noqa: F401  (the errors of an operator are below ours)
from support.tutorial import Shell, blocks, walk
from vectorplane import errors
from vectorplane.manifest import load, validate

ROOT = Path(__file__).resolve().parents[2]
TROUBLE = ROOT / "docs" / "guides" / "troubleshooting.md"


def documented() -> list[str]:
    """The reasons in the first column of the page's tables."""
    rows = [r for r in TROUBLE.read_text(encoding="utf-8").splitlines() if r.startswith("| `")]
    return [reason for row in rows for reason in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_every_reason_that_the_code_can_give_is_explained_once() -> None:
    found = reasons.reasons()
    assert len(found) > 70
    assert {r: sorted(files) for r, files in found.items() if r not in documented()} == {}
    assert sorted(documented()) == sorted(found)


def test_reasons_of_each_kind_of_place_are_found() -> None:
    """A class attribute, a default, an argument of a condition, of a problem, of a state."""
    wanted = {"StoreTimeout", "Programmed", "AsDeclared", "ImmutableChange", "NoGateway"}
    assert wanted | {"KeyRevoked", "RouteMissing"} <= reasons.reasons().keys()


@pytest.mark.parametrize("tool", [references, pictures], ids=["references", "pictures"])
def test_generated_pages_and_pictures_are_current(tool: ModuleType) -> None:
    """In a process of their own: other tests put commands of theirs into this one's."""
    assert tool.__file__
    command = [sys.executable, tool.__file__, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 3
    assert [x for x in links if not x.startswith("http") and not (ROOT / x).exists()] == []


def test_every_manifest_that_is_shown_is_valid() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = 0
    for page in pages:
        for block in blocks(page):
            text = "\n".join(block.lines)
            if block.kind == "yaml" and "apiVersion: vectorplane.dev" in text:
                for document in load(text, file=page.name):
                    if document.ours:
                        shown += 1
                        assert list(validate(document)) == [], document.place
    assert shown > 10


def test_no_secret_has_a_default_in_the_tables_of_settings() -> None:
    for page in ("operator-settings", "service-settings"):
        text = (references.FOLDER / f"{page}.md").read_text(encoding="utf-8")
        rows = [row.split("|") for row in text.splitlines() if row.startswith("| `")]
        assert len(rows) > 30
        assert [row[1] for row in rows if len(row[3].strip()) < 5] == []
        secret = [row for row in rows if re.search(r"TOKEN`|API_KEY`|API_KEYS`", row[1])]
        assert secret
        assert {row[2].strip() for row in secret} == {""}


def test_errors_are_called_waiting_or_stalled_as_they_are() -> None:
    kinds: dict[str, str] = {}
    for said, root in (("waiting", errors.Waiting), ("stalled", errors.Stalled)):
        below = [root]
        while below:
            kind = below.pop()
            kinds[kind.reason] = said
            below += kind.__subclasses__()
    rows = [r.split("|") for r in TROUBLE.read_text(encoding="utf-8").splitlines()]
    table = {
        row[1].strip(" `"): row[2].strip()
        for row in rows
        if len(row) > 5 and row[1].strip(" `") in kinds
    }
    assert len(table) > 25
    assert {r: (s, kinds[r]) for r, s in table.items() if s != kinds[r]} == {}


PAGE = """
```yaml title="a/file"
word: {word}
```

<!-- not run: no reason -->
```console
$ exit 7
```

```console
$ cat a/file \\
>   && echo end
word: ...
end
$ false && true || {failing}
{expected}
```
"""


@pytest.mark.parametrize(
    ("failing", "expected", "refused"),
    [
        ("echo one two", "one   two", None),
        ("echo one two", "one ...", None),
        ("echo one two", "two", "nothing like 'two'"),
        ("{ echo one; false; }", "one", "ended with 1"),
        ("{ echo error: one; false; }", "error: one", None),
        ("echo error: one", "error: one", "ended with 0"),
    ],
)
def test_what_a_page_says_is_compared_with_what_comes(
    tmp_path: Path, failing: str, expected: str, refused: str | None
) -> None:
    page, folder = tmp_path / "page.md", tmp_path / "folder"
    folder.mkdir()
    text = PAGE.replace("{word}", "here").replace("{failing}", failing)
    page.write_text(text.replace("{expected}", expected))
    shell = Shell(folder, {})
    try:
        if refused is None:
            assert list(walk(page, shell, folder, {"here": "there"})) == ["no reason"]
            assert (folder / "a/file").read_text() == "word: there\n"
        else:
            with pytest.raises(AssertionError, match=refused):
                list(walk(page, shell, folder, {}))
    finally:
        shell.end()
