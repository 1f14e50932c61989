"""Manifests in files, as people write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from support.world import World
from vectorplane.spec_base import API_VERSION


def write_manifest(
    file: Path, world: World, spec: Mapping[str, Any], name: str = "products"
) -> None:
    document = {
        "apiVersion": API_VERSION,
        "kind": "VectorCollection",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"store": world.store, **spec},
    }
    file.write_text(yaml.safe_dump(document))
