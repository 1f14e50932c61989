"""Draws the pictures of the documentation as SVG, or checks that they are current:

python tools/docs/pictures.py [--check]

A picture is boxes on a grid and arrows between them. So it is text that can be reviewed, looks
the same everywhere, and needs no library from elsewhere when a page is read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
CELL_X, CELL_Y, BOX_X, BOX_Y, EDGE = 190, 100, 140, 54, 20
COLOURS = {
    "ours": ("#e8eaf6", "#3f51b5"),
    "other": ("#f5f5f5", "#757575"),
    "good": ("#e8f5e9", "#388e3c"),
    "bad": ("#ffebee", "#c62828"),
}


@dataclass(frozen=True, slots=True)
class Box:
    """A box at a place of the grid; `text` has a line break as `|`."""

    x: float
    y: float
    text: str
    kind: str = "other"


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow from one box to another. `both` has a head at each end."""

    start: str
    end: str
    label: str = ""
    both: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """`title` is what a reader hears who does not see it."""

    title: str
    boxes: Mapping[str, Box]
    arrows: Sequence[Arrow]


PICTURES = {
    "overview": Picture(
        "A manifest goes to the operator, which makes the collection in Qdrant, the route in"
        " Kong and the"
        " entry in Consul; clients go through Kong to the service, and from there to Qdrant.",
        {
            "manifest": Box(0, 0, "VectorCollection|kubectl apply"),
            "operator": Box(1.6, 0, "operator|observe, plan, apply", "ours"),
            "consul": Box(3.3, -0.6, "Consul"),
            "qdrant": Box(3.3, 0.6, "Qdrant, or|embedded engine"),
            "clients": Box(0, 1.2, "clients|one key each"),
            "kong": Box(1.1, 1.2, "Kong"),
            "service": Box(2.2, 1.2, "service|HTTP API", "ours"),
        },
        [
            Arrow("manifest", "operator"),
            Arrow("operator", "consul", "entry"),
            Arrow("operator", "qdrant", "collection"),
            Arrow("operator", "kong", "route, keys"),
            Arrow("clients", "kong"),
            Arrow("kong", "service"),
            Arrow("service", "qdrant", "points"),
        ],
    ),
    "state": Picture(
        "The states of a VectorCollection: Missing, then Ready; trouble makes it not Ready, and"
        " it comes back"
        " by itself or when a person acts; Rebuilding stays Ready; deletion follows its policy.",
        {
            "new": Box(0, 0, "applied|Missing"),
            "ready": Box(1.5, 0, "Ready=True|Ready", "good"),
            "rebuild": Box(3, 0, "Ready=True|Rebuilding", "good"),
            "waiting": Box(0.2, 1.3, "Ready=False, waiting|StoreUnreachable, ...", "bad"),
            "stalled": Box(1.5, 1.3, "Ready=False, stalled|ImmutableChange, ...", "bad"),
            "gone": Box(2.8, 1.3, "deleted|data by deletionPolicy"),
        },
        [
            Arrow("new", "ready", "made, indexed, named"),
            Arrow("ready", "rebuild", "another shape", both=True),
            Arrow("ready", "waiting", "tried again", both=True),
            Arrow("ready", "stalled", "a person acts", both=True),
            Arrow("ready", "gone", "kubectl delete"),
        ],
    ),
    "request": Picture(
        "A request goes from the client through Kong, which checks key, acl and rate, to the"
        " service, which"
        " checks the key again, looks into limits and cache, joins it with others, and asks"
        " Qdrant.",
        {
            "client": Box(0, 0, "client|X-API-Key"),
            "kong": Box(1, 0, "Kong|key, acl, rate, size"),
            "edge": Box(2, 0, "service: edge|request id, key, limits", "ours"),
            "tenant": Box(3, 0, "tenant|filter of the key", "ours"),
            "cache": Box(3, 1, "cache|where it is on", "ours"),
            "batch": Box(2, 1, "batch|searches joined", "ours"),
            "qdrant": Box(1, 1, "Qdrant"),
        },
        [
            Arrow("client", "kong"),
            Arrow("kong", "edge"),
            Arrow("edge", "tenant"),
            Arrow("tenant", "cache"),
            Arrow("cache", "batch"),
            Arrow("batch", "qdrant"),
        ],
    ),
    "rebuild": Picture(
        "A rebuild: the next collection is created, points are copied while the old one serves,"
        " passes catch"
        " up, writes are held shortly, the names move in one call, and the old collection is"
        " kept for a time.",
        {
            "create": Box(0, 0, "create _2|serves nobody", "ours"),
            "copy": Box(1, 0, "Copying|each point once", "ours"),
            "catch": Box(2, 0, "CatchingUp|what was written since", "ours"),
            "hold": Box(3, 0, "Holding|writes get 429", "bad"),
            "move": Box(3, 1, "names move|in one call", "good"),
            "keep": Box(2, 1, "_1 is kept|rebuild.keepFor"),
            "drop": Box(1, 1, "_1 is dropped"),
        },
        [
            Arrow("create", "copy"),
            Arrow("copy", "catch"),
            Arrow("catch", "hold", both=True),
            Arrow("hold", "move"),
            Arrow("move", "keep"),
            Arrow("keep", "drop"),
        ],
    ),
    "exposure": Picture(
        "From VectorCollection and VectorAccess the operator makes route and key at Kong, an"
        " entry in Consul, a"
        " Secret for the workload, and public keys for the service; then it asks through Kong"
        " whether it works.",
        {
            "collection": Box(0, 0, "VectorCollection|gateway, discovery"),
            "access": Box(0, 1, "VectorAccess|read, write, ttl"),
            "operator": Box(1.2, 0.5, "operator|wishes, passes", "ours"),
            "consul": Box(2.6, -0.4, "Consul|catalog entry"),
            "kong": Box(2.6, 0.5, "Kong|route, consumer, key"),
            "configmap": Box(2.6, 1.4, "ConfigMap|public keys, revoked"),
            "secret": Box(1.2, 1.9, "Secret|uri, api-key"),
            "service": Box(3.7, 0.95, "service|verifies again", "ours"),
        },
        [
            Arrow("collection", "operator"),
            Arrow("access", "operator"),
            Arrow("operator", "consul"),
            Arrow("operator", "kong", "program, verify"),
            Arrow("operator", "configmap"),
            Arrow("operator", "secret"),
            Arrow("kong", "service"),
            Arrow("configmap", "service"),
        ],
    ),
}


def draw(picture: Picture) -> str:
    """The picture as SVG."""
    boxes = picture.boxes.values()
    left, top = min(b.x for b in boxes) * CELL_X, min(b.y for b in boxes) * CELL_Y
    width = max(b.x for b in boxes) * CELL_X - left + BOX_X + 2 * EDGE
    height = max(b.y for b in boxes) * CELL_Y - top + BOX_Y + 2 * EDGE
    middles = {
        name: (b.x * CELL_X - left + EDGE + BOX_X / 2, b.y * CELL_Y - top + EDGE + BOX_Y / 2)
        for name, b in picture.boxes.items()
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" role="img" font-family="sans-serif" font-size="11">',
        f"<title>{escape(picture.title)}</title>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#fff"/>',
    ]
    parts += [_arrow(arrow, middles) for arrow in picture.arrows]
    parts += [_box(box, *middles[name]) for name, box in picture.boxes.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(box: Box, x: float, y: float) -> str:
    fill, line = COLOURS[box.kind]
    rows = box.text.split("|")
    text = "".join(
        f'<text x="{x:g}" y="{y + 4 + (number - (len(rows) - 1) / 2) * 15:g}" text-anchor="middle"'
        f' font-weight="{"normal" if number else "bold"}">{escape(row)}</text>'
        for number, row in enumerate(rows)
    )
    return (
        f'<rect x="{x - BOX_X / 2:g}" y="{y - BOX_Y / 2:g}" width="{BOX_X}" height="{BOX_Y}" rx="6"'
        f' fill="{fill}" stroke="{line}"/>{text}'
    )


def _arrow(arrow: Arrow, middles: Mapping[str, tuple[float, float]]) -> str:
    (ax, ay), (bx, by) = middles[arrow.start], middles[arrow.end]
    dx, dy = bx - ax, by - ay
    # From edge to edge: as far from a middle as its box reaches in that direction.
    reach = min(
        (BOX_X / 2) / abs(dx) if dx else float("inf"), (BOX_Y / 2) / abs(dy) if dy else float("inf")
    )
    x1, y1 = ax + dx * reach, ay + dy * reach
    x2, y2 = bx - dx * reach, by - dy * reach
    back = ' marker-start="url(#a)"' if arrow.both else ""
    line = (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#555"{back}'
        f' marker-end="url(#a)"/>'
    )
    if not arrow.label:
        return line
    return line + (
        f'<text x="{(x1 + x2) / 2:.1f}" y="{(y1 + y2) / 2 - 5:.1f}" text-anchor="middle"'
        ' fill="#333" stroke="#fff" stroke-width="3" paint-order="stroke">'
        f"{escape(arrow.label)}</text>"
    )


def main(arguments: Sequence[str]) -> int:
    """Gives the exit code: 1 where `--check` finds a picture that is not current."""
    wrong = 0
    for name, picture in PICTURES.items():
        path, text = FOLDER / f"{name}.svg", draw(picture)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            sys.stderr.write(f"vectorplane: {path.name} is not current; tools/docs/pictures.py\n")
            wrong = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return wrong


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
