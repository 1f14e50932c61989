"""`docs/api.md` as data: its sections, one per operation, and the blocks in them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/api.md"
_FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OPERATION = re.compile(r"^`(GET|PUT|POST|DELETE|PATCH) (/\S+)`$", re.MULTILINE)
CHANGING = {"created", "expires", "key", "latency_ms", "version", "indexed_vectors"}
"""Fields that are different each time: in an answer they only have to be there."""


@dataclass(frozen=True)
class Block:
    language: str
    name: str
    text: str

    @property
    def tool(self) -> str:
        """`curl`, `http` or `python`; "" for what is not run."""
        if self.language == "bash":
            return next((t for t in ("curl", "http") if re.search(rf"(^|\s){t} ", self.text)), "")
        return "python" if self.language == "python" else ""

    def said(self) -> list[str]:
        """What a Python block is said to print: the comments at its end."""
        lines = self.text.rstrip().splitlines()
        while lines and not lines[-1].startswith("# "):
            lines.pop()
        found = []
        while lines and lines[-1].startswith("# "):
            found.append(lines.pop().removeprefix("# "))
        return found[::-1]


@dataclass
class Section:
    """One operation, and its examples in their order."""

    method: str
    path: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.method} {self.path}"

    def tools(self) -> set[str]:
        return {block.tool for block in self.blocks} - {""}


def blocks(text: str) -> list[Block]:
    """Every fenced block, in order."""
    return [Block(language, name or "", inner) for language, name, inner in _FENCE.findall(text)]


def sections() -> list[Section]:
    """The operations of the document."""
    found = []
    for part in re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        part = re.split(r"^## ", part, flags=re.MULTILINE)[0]
        operation = _OPERATION.search(part)
        if operation is not None:
            found.append(Section(operation[1], operation[2], blocks(part)))
    return found


def preamble() -> list[Block]:
    """The blocks before the first operation: manifests, points, and how Python begins."""
    return blocks(re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[0])


def differences(shown: Any, real: Any, place: str = "") -> list[str]:
    """Where a real answer is not as it is shown: fields, ids, and numbers to three places."""
    if isinstance(shown, Mapping) and isinstance(real, Mapping):
        found = [f"{place}.{name}: only in one" for name in set(shown) ^ set(real)]
        for name in set(shown) & set(real):
            if name not in CHANGING:
                found += differences(shown[name], real[name], f"{place}.{name}")
        return found
    if isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        pairs = enumerate(zip(shown, real, strict=True))
        return [why for i, (a, b) in pairs for why in differences(a, b, f"{place}[{i}]")]
    if isinstance(shown, float) and isinstance(real, float | int):
        return [] if math.isclose(shown, real, abs_tol=1e-3) else [f"{place}: {shown}, not {real}"]
    return [] if shown == real else [f"{place}: {shown!r}, not {real!r}"]
