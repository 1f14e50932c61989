"""The demo's data: real, and on this machine already, so that nothing is downloaded."""

from __future__ import annotations

import gzip
import importlib.util
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Point = dict[str, Any]
HELD_OUT = 300
PARAGRAPHS = 40
"""Paragraphs of one package's description at most: some tell their whole history."""


@dataclass(frozen=True)
class Digits:
    """scikit-learn's handwritten digits: what is loaded, and what is asked about."""

    points: list[Point]
    held_out: list[list[float]]
    labels: list[int]
    """Which digits the held-out ones are."""


def digits() -> Digits:
    """1,797 pictures of 8 x 8 pixels, of which 300 chosen by a fixed draw are held out.

    The file is read as it lies in scikit-learn: to import the library takes longer than all the
    rest of the demo.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the digits are in scikit-learn: pip install 'vectorplane[example]'"
        )
    with gzip.open(Path(found.origin).parent / "datasets/data/digits.csv.gz", "rt") as file:
        rows = [[float(number) for number in line.split(",")] for line in file]
    held_out = random.Random(0).sample(range(len(rows)), HELD_OUT)
    rest = sorted(set(range(len(rows))) - set(held_out))
    return Digits(
        points=[
            {"id": i, "vector": rows[i][:-1], "payload": {"label": int(rows[i][-1])}} for i in rest
        ],
        held_out=[rows[i][:-1] for i in held_out],
        labels=[int(rows[i][-1]) for i in held_out],
    )


def packages() -> list[Point]:
    """What the installed Python packages say of themselves, paragraph by paragraph. An id follows
    from package and text, so loading twice makes nothing twice."""
    found: dict[str, Point] = {}
    for name, summary, description in sorted(_installed()):
        texts = [f"{name}: {summary}", *_paragraphs(description)][: PARAGRAPHS + 1]
        for part, text in enumerate(texts):
            id = str(uuid5(NAMESPACE_URL, f"urn:python-package:{name}#{text}"))
            payload = {"package": name, "part": part}
            found.setdefault(id, {"id": id, "text": text, "payload": payload})
    return list(found.values())


def _installed() -> Iterator[tuple[str, str, str]]:
    seen = set()
    for distribution in metadata.distributions():
        about = distribution.metadata
        name = (about["Name"] or "").lower()
        summary = about["Summary"] if "Summary" in about else ""
        if not name or not summary or name in seen:
            continue
        seen.add(name)
        body = about["Description"] if "Description" in about else about.get_payload()  # type: ignore[attr-defined]
        yield name, summary, body if isinstance(body, str) else ""


def _paragraphs(description: str) -> Iterator[str]:
    """Prose only: no code, no badges, no tables, no headings."""
    prose = re.sub(r"```.*?```|<!--.*?-->", " ", description, flags=re.DOTALL)
    for block in re.split(r"\n\s*\n", prose):
        if block.startswith((" ", "\t", "#", "|", "..", "+-", ">>>", "[![", "<")):
            continue
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(block.split()))
        text = re.sub(r"<[^>]+>|`+|\*\*", "", text)
        text = re.sub(r"[=~^*_-]{4,}", "", text).strip()
        if 60 <= len(text) <= 2000 and text.count("http") < 3:
            yield text
