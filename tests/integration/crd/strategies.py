"""Manifests around the schema: mostly right, with one thing wrong here and there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from vectorplane.crd import schema
from vectorplane.spec_base import API_VERSION

JUNK = [None, "x", 5, 1.5, True, [], {}, [None], {"a": 1}, ["a", "a"], -1, 2**63, ""]
TEXTS = ["a", "b", "text", "live.1", "", "A", "a_b", "a-", "ü", "a\n", "a b", "a" * 64, "a" * 300]
URLS = ["http://a", "https://a.b:1/c", "http://a@b", "ftp://a", "http://"]
NAMES = ["products", "a.b", "a" * 63, "a" * 64, "A", "a_b", "-a", "ü", ""]


def chance(draw: st.DrawFn, percent: int) -> bool:
    return draw(st.integers(0, 99)) >= 100 - percent


def values(node: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values around one schema."""
    kind = node["type"]
    if kind == "object":
        return objects(node)
    if kind == "array":
        return st.lists(fields(node["items"]), max_size=3)
    if "enum" in node:
        return st.sampled_from([*node["enum"]] * 4 + ["X"])
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        right = TEXTS[:3] if "http" not in node.get("pattern", "") else URLS[:2]
        return st.sampled_from(right * 6 + TEXTS + URLS) | st.sampled_from(right)
    low, high = node.get("minimum", 0), node.get("maximum", 2**31)
    if kind == "number":
        return st.sampled_from([low, high, low + 0.25, high - 0.25, low - 0.25, high + 0.25])
    near = [low, low + 1, high, min(256, high)] * 3 + [low - 1, high + 1, 0]
    return st.sampled_from(near)


@st.composite
def fields(draw: st.DrawFn, node: Mapping[str, Any]) -> Any:
    """A value around one schema, or now and then something else."""
    if chance(draw, 2):
        return draw(st.sampled_from(JUNK))
    return draw(values(node))


@st.composite
def objects(draw: st.DrawFn, node: Mapping[str, Any]) -> dict[str, Any]:
    """An object with most of what it must have and some of what it may."""
    if "additionalProperties" in node:
        keys = st.sampled_from(TEXTS[:3] * 6 + TEXTS + ["vectorplane"])
        return draw(st.dictionaries(keys, fields(node["additionalProperties"]), max_size=3))
    required = node.get("required", ())
    found = {
        key: draw(fields(inner))
        for key, inner in node["properties"].items()
        if chance(draw, 97 if key in required else 12)
    }
    if chance(draw, 1):
        found["unknown"] = draw(st.sampled_from(JUNK))
    return found


@st.composite
def collections(draw: st.DrawFn) -> dict[str, Any]:
    """A VectorCollection."""
    spec = schema("VectorCollection")["properties"]["spec"]
    found = draw(objects(spec))
    if chance(draw, 90):
        vectors = spec["properties"]["vectors"]["items"]
        found["vectors"] = draw(st.lists(fields(vectors), min_size=1, max_size=3))
    name = draw(st.sampled_from(["products"] * 20 + NAMES))
    return _whole("VectorCollection", name, found, draw)


@st.composite
def stores(draw: st.DrawFn) -> dict[str, Any]:
    """A VectorStore."""
    found = draw(objects(schema("VectorStore")["properties"]["spec"]))
    return _whole("VectorStore", draw(st.sampled_from(["big"] * 9 + NAMES)), found, draw)


def _whole(kind: str, name: str, spec: Any, draw: st.DrawFn) -> dict[str, Any]:
    if chance(draw, 1):
        spec = draw(st.sampled_from(JUNK))
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def inside(node: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema takes, whatever they mean together; its rules may still refuse them."""
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node["type"]:
        case "object":
            return _inner(node)
        case "array":
            keys = node.get("x-kubernetes-list-map-keys")
            return st.lists(
                inside(node["items"]),
                max_size=3,
                unique_by=(lambda v: tuple(v.get(k, "") for k in keys) if keys else repr(v)),
            )
        case "boolean":
            return st.booleans()
        case "string":
            return _text(node)
    low, high = node.get("minimum", 0), node.get("maximum", 2**62)
    if node["type"] == "number":
        return st.sampled_from([float(low), float(min(high, low + 0.5)), float(high)])
    return st.sampled_from([low, low, min(low + 1, high), min(256, high), high])


def _text(node: Mapping[str, Any]) -> st.SearchStrategy[str]:
    pattern, least, most = node.get("pattern", ""), node.get("minLength", 0), node["maxLength"]
    right = [t for t in TEXTS + URLS if least <= len(t) <= most and _fits(pattern, t)]
    return st.sampled_from(right) if right else st.from_regex(pattern, fullmatch=True)


def _fits(pattern: str, text: str) -> bool:
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text, re.ASCII) is not None


@st.composite
def _inner(draw: st.DrawFn, node: Mapping[str, Any]) -> dict[str, Any]:
    if "additionalProperties" in node:
        keys = st.sampled_from([t for t in TEXTS if 0 < len(t) < 64])
        return draw(st.dictionaries(keys, inside(node["additionalProperties"]), max_size=3))
    required = node.get("required", ())
    return {
        key: draw(inside(inner))
        for key, inner in node["properties"].items()
        if key in required or chance(draw, 25)
    }


@st.composite
def plausible(draw: st.DrawFn) -> dict[str, Any]:
    """A VectorCollection of values that are right one by one."""
    spec = schema("VectorCollection")["properties"]["spec"]
    found = draw(_inner(spec))
    found["vectors"] = draw(inside(spec["properties"]["vectors"]).filter(bool))
    return _whole("VectorCollection", "products", found, draw)


def manifests() -> st.SearchStrategy[dict[str, Any]]:
    """Either."""
    return collections() | collections() | stores()
