"""The few calls of `vectorplane_operator.kube.Api` over a dictionary, with the API server's own
rules about versions and identities. For what a real one cannot be made to do at a wanted moment;
all else is tested against a real one.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from typing import Any

from vectorplane.errors import SecretUnreadable, Waiting
from vectorplane.spec_store import SecretKeyRef
from vectorplane_operator.kube import Api, Gone, Json, Stale

_CREATED = "2026-01-01T00:00:00Z"


class KubeDouble(Api):
    """Objects by path. `before` runs at the start of every call, with its verb."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.secrets: dict[str, str] = {}
        self.events: list[Json] = []
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str], object] = lambda verb: None
        self.failing: Waiting | None = None
        self._version = 100

    def put(self, path: str, **metadata: Any) -> Json:
        """Make or change an object, as somebody else would; None removes a field."""
        body = self.objects.setdefault(path, {"metadata": {"creationTimestamp": _CREATED}})
        spec, status = metadata.pop("spec", None), metadata.pop("status", None)
        body["metadata"] |= metadata
        body |= {k: v for k, v in (("spec", spec), ("status", status)) if v is not None}
        return self._saved(path)

    def remove(self, path: str) -> Json:
        return self.objects.pop(path)

    async def get(self, path: str, **query: str) -> Json:
        self._call("get", path)
        return copy.deepcopy(self._at(path))

    async def pages(self, path: str, *, limit: int = 500) -> AsyncIterator[list[Json]]:
        self._call("list", path)
        plural = path.rpartition("/")[2]
        for name in sorted(self.objects):
            if f"/{plural}/" in name:
                yield [copy.deepcopy(self.objects[name])]

    async def merge(self, path: str, body: Json) -> Json:
        self._call("merge", path)
        meta = self._at(path)["metadata"]
        asked = body["metadata"]
        if any(asked.get(f, meta.get(f)) != meta.get(f) for f in ("uid", "resourceVersion")):
            raise Stale("the object has been modified")
        if "finalizers" in asked:
            meta["finalizers"] = asked["finalizers"]
        if "spec" in body:
            self.objects[path]["spec"] = self.objects[path].get("spec", {}) | body["spec"]
        return self._saved(path)

    async def apply(self, path: str, body: Json) -> Json:
        self._call("apply", path)
        path = path.removesuffix("/status")
        if body["metadata"]["uid"] != self._at(path)["metadata"]["uid"]:
            raise Stale("the UID is another one")
        self.objects[path]["status"] = body["status"]
        return self._saved(path)

    async def create(self, path: str, body: Json) -> Json:
        self._call("create", path)
        if body["kind"] == "Event":
            self.events.append(body)
            return body
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            raise Stale("it exists already")
        self.objects[path] = copy.deepcopy(body)
        return self._saved(path)

    async def secret(self, ref: SecretKeyRef) -> str:
        self._call("secret", ref.name)
        try:
            return self.secrets[ref.name]
        except KeyError:
            raise SecretUnreadable(f"there is no Secret {ref.namespace}/{ref.name}") from None

    async def close(self) -> None:
        """Nothing to close."""

    def _call(self, verb: str, path: str) -> None:
        self.calls.append((verb, path))
        self.before(verb)
        if self.failing:
            raise self.failing

    def _at(self, path: str) -> Json:
        if path not in self.objects:
            raise Gone(path)
        return self.objects[path]

    def _saved(self, path: str) -> Json:
        self._version += 1
        self.objects[path]["metadata"]["resourceVersion"] = str(self._version)
        return copy.deepcopy(self.objects[path])
