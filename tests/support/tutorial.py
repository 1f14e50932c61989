"""Runs what a page of the documentation tells a reader to type, and compares what comes back.

The convention of the pages:

- A block `console` is run: lines that begin with `$ ` are commands, those that begin with `> ` go
  on with the command before. All blocks of a page run in order, in one shell and one folder.
- Other lines are output that must come, in this order; further lines may stand between them. Blanks
  count as one, and `...` stands for anything.
- A command ends with 0, unless a line of its output begins with `error:`. One that ends with `&`
  goes on; its output is waited for.
- A block with `title="a/file"` is written to that file first.
- A block after `<!-- not run: why -->` is passed by, and `why` is told.
- Blocks of other kinds (`text`, `yaml` without a title) are only shown.
"""

from __future__ import annotations

import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 60.0
_FENCE = re.compile(r"^( *)```(\S*)(.*)$")
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")


@dataclass
class Command:
    """What is typed, and the lines that must come back."""

    text: str
    expected: list[str] = field(default_factory=list)

    @property
    def background(self) -> bool:
        return self.text.rstrip().endswith("&")

    @property
    def fails(self) -> bool:
        return any(line.startswith("error:") for line in self.expected)


@dataclass
class Block:
    """A fenced block. `skipped` says why it is not run, where it is not."""

    kind: str
    title: str | None
    lines: list[str]
    skipped: str | None = None

    @property
    def commands(self) -> list[Command]:
        found: list[Command] = []
        for line in self.lines if self.kind == "console" else ():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            elif line.startswith("> "):
                found[-1].text += "\n" + line[2:]
            elif line.strip():
                found[-1].expected.append(line)
        return found


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found: list[Block] = []
    fence: re.Match[str] | None = None
    skipped: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence is not None:
            if line.strip() == "```":
                fence = None
            else:
                found[-1].lines.append(line.removeprefix(fence[1]))
        elif fence := _FENCE.match(line):
            title = re.search(r'title="([^"]+)"', fence[3])
            found.append(Block(fence[2], title[1] if title else None, [], skipped))
            skipped = None
        elif mark := _NOT_RUN.search(line):
            skipped = mark[1]
        elif line.strip():
            skipped = None
    return found


class Shell:
    """One shell, as a reader has it, in a folder of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.said = ""
        """All that was typed and came back."""
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: Command, seconds: float = SECONDS) -> None:
        """Raises `AssertionError` where something else came back than the page says."""
        mark = f"done-{secrets.token_hex(8)}"
        assert self._process.stdin
        self._process.stdin.write(f"{command.text}\necho {mark} $?\n".encode())
        self._process.stdin.flush()
        came = self._until(lambda text: re.search(rf"{mark} (\d+)\n", text), seconds, command)
        ended = re.search(rf"{mark} (\d+)\n", came)
        assert ended
        if command.background:
            matches = self._until(lambda text: not _missing(command, text), seconds, command, came)
        else:
            matches = came
        self.said += f"$ {command.text}\n{matches.replace(ended[0], '')}"
        code = int(ended[1])
        assert (code != 0) == command.fails, f"ended with {code}:\n{self.said}"
        assert not (lost := _missing(command, matches)), f"nothing like {lost!r} in:\n{self.said}"

    def _until(self, check: object, seconds: float, command: Command, text: str = "") -> str:
        assert callable(check)
        assert self._process.stdout
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not check(text):
                assert time.monotonic() < end, f"{command.text}: not within {seconds} s:\n{text}"
                if selector.select(0.5):
                    part = os.read(self._process.stdout.fileno(), 65536)
                    assert part, f"the shell ended at {command.text}:\n{text}"
                    text += part.decode(errors="replace")
        return text

    def end(self) -> None:
        """The shell and all that it left running: the session is its own."""
        os.killpg(self._process.pid, signal.SIGTERM)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream
            stream.close()
        self._process.wait(30)


def walk(page: Path, shell: Shell, folder: Path, words: Mapping[str, str]) -> Iterator[str]:
    """Do what a page says; gives the reasons for what was not run. `words` are replaced in what is
    typed and written: a port that is free here, for instance."""
    for block in blocks(page):
        if block.skipped:
            yield block.skipped
        elif block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_replaced("\n".join(block.lines) + "\n", words), encoding="utf-8")
        else:
            for command in block.commands:
                expected = [_replaced(line, words) for line in command.expected]
                shell.run(Command(_replaced(command.text, words), expected))


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def _missing(command: Command, text: str) -> str | None:
    """The first expected line that did not come."""
    lines = iter(" ".join(line.split()) for line in text.splitlines())
    for expected in command.expected:
        parts = (re.escape(" ".join(p.split())) for p in expected.split("..."))
        pattern = re.compile(r"\s*.*\s*".join(parts))
        if not any(pattern.fullmatch(line) for line in lines):
            return expected
    return None
