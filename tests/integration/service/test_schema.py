"""The OpenAPI document against the service behind it, by schemathesis: every check, requests made
up after the document and against it, and chains of them along its links, on both engines.

Three things are taken out of the document first, each for a reason: see `bounded`. The checks are
told what a document cannot say: see `CONFIG`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import qdrant, showcase
from support.gunicorn_process import gunicorn
from support.parts import require_or_skip

SECONDS = 75
"""For one engine. What is left of it after the fixed part goes into made-up requests."""
APP = "support.engine_app:app"
KEY = "test-secret"
DIMENSIONS = 4
CONDITIONS = ("HasId", "FieldCondition", "IsEmpty", "IsNull", "HasVector")
COLLECTIONS = [showcase.PRODUCTS, showcase.MIXED, showcase.TEXTS, showcase.TENANT]
OF_A_COLLECTION = [
    "search",
    "search_batch",
    "upsert_points",
    "get_point",
    "retrieve_points",
    "scroll_points",
    "delete_points",
    "change_payload",
    "count_points",
    "facet_points",
    "list_collections",
    "list_keys",
    "store_vectors",
    "search_vectors",
]
CONFIG = f"""
# Mostly what there is, so that more is tested than its absence.
[dictionaries.collections]
values = {json.dumps(COLLECTIONS)}
[dictionaries.fields]
values = ["category", "n", "price"]
[dictionaries.ids]
values = ["0", "1", "2", "3", "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"]
[dictionaries.dependencies]
values = ["vectors"]

[parameters]
"path.collection" = {{ dictionary = "collections", probability = 0.9 }}
"path.id" = {{ dictionary = "ids", probability = 0.7 }}
"path.dependency" = {{ dictionary = "dependencies", probability = 0.7 }}
"body.collection" = {{ dictionary = "collections", probability = 0.9 }}
"body.field" = {{ dictionary = "fields", probability = 0.7 }}

# What an engine lacks is a 501 with its reason, and no failure of the service.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501]

# Only the collection knows whether a vector has its size, a field its index, an id its point, and a
# cursor its page: a body that fits the document may be refused for that, and then says where.
[[operations]]
include-operation-id = {json.dumps(OF_A_COLLECTION)}
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "501"]
"""


def bounded(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it is, but for what no tool could work through, and for one thing that it
    cannot know: dense vectors have the size that they have in these collections.

    - Filters hold no filters and no nested objects, and all kinds of conditions stand in `must`
      alone, in a list; prefetches hold no prefetches. The coverage phase counts every form of a
      body, and of one filter with a nested object there are thousands, for each operation that
      takes one. All of them are made up in the contract suite and in the tests of tenancy.
    - Bodies that are no JSON are left out: schemathesis knows neither NDJSON nor npz. They have
      tests of their own.
    """
    schemas = document["components"]["schemas"]
    for name in ("Filter", "SomeFilter"):
        for word, clause in schemas[name]["properties"].items():
            if word != "min_should":
                kept = CONDITIONS if word == "must" else CONDITIONS[:1]
                [listed] = [one for one in clause["anyOf"] if "items" in one]
                _only(listed["items"], kept)
                clause["anyOf"] = [listed, {"type": "null"}]
    _only(schemas["MinShould"]["properties"]["conditions"]["items"], CONDITIONS[:1])
    schemas["PrefetchIn"]["properties"].pop("prefetch")
    _sized(schemas)
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for media_type in [known for known in content if known != "application/json"]:
                del content[media_type]
    used = _reached(schemas, document["paths"])
    nested = sorted(name for name in used if name in _reached(schemas, schemas[name]))
    assert not nested, f"schemas that nest in themselves: {nested}"
    return document


def _reached(schemas: dict[str, Any], start: Any) -> set[str]:
    """The schemas that something is made of, at any depth."""
    found: set[str] = set()
    left = [start]
    while left:
        used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(left.pop())))
        left += [schemas[name] for name in used - found]
        found |= used
    return found


def _only(items: dict[str, Any], names: Sequence[str]) -> None:
    items["anyOf"] = [one for one in items["anyOf"] if one["$ref"].rpartition("/")[2] in names]


def _sized(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("items", {}).get("type") == "number" and "minItems" in schema:
            schema |= {"minItems": DIMENSIONS, "maxItems": DIMENSIONS}
        for inner in schema.values():
            _sized(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _sized(inner)


@contextmanager
def served(engine: str, folder: Path) -> Iterator[str]:
    """The address of a service over that engine, with something in it."""
    variables = {
        "API_KEYS": f"test:{KEY}:admin",
        "KEYS_FILE": str(folder / "keys.json"),
    }
    if engine == "embedded":
        with gunicorn(APP, ENGINE_FOLDER=str(folder / "engine"), **variables) as running:
            yield running.ready().url
        return
    if not qdrant.available():
        require_or_skip("qdrant", qdrant.MISSING)
    with qdrant.started() as server:
        asyncio.run(showcase.filled(server.url))
        with gunicorn(APP, QDRANT_URL=server.url, **variables) as running:
            yield running.ready().url


@pytest.mark.timeout(SECONDS * 5)
@pytest.mark.parametrize("engine", ["embedded", "qdrant"])
def test_the_service_is_as_documented(engine: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    report = tmp_path / "report.json"
    with served(engine, tmp_path) as url:
        document = bounded(httpx.get(f"{url}/openapi.json").raise_for_status().json())
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        ended = subprocess.run(
            [
                sys.executable,
                "-W",
                "ignore",
                "-c",
                "from schemathesis.cli import schemathesis; schemathesis()",
                "--config-file=schemathesis.toml",
                "run",
                "openapi.json",
                f"--url={url}",
                f"--header=X-API-Key: {KEY}",
                "--checks=all",
                "--phases=examples,coverage,fuzzing,stateful",
                "--max-examples=20",
                f"--max-time={SECONDS}",
                "--continue-on-failure",
                "--report=json",
                f"--report-json-path={report}",
            ],
            cwd=tmp_path,
            # Traced for coverage, it would take several times as long to make its requests up.
            env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS * 3,
        )
        assert httpx.get(f"{url}/health/ready").status_code == 200
    said = f"{ended.stdout}\n{ended.stderr}"
    assert ended.returncode == 0, said
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ +{phase} \(in", ended.stdout), f"{phase} did not run:\n{said}"
