"""What kubectl says of a cluster. It knows how to reach one and who asks; this package must not
know Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vectorplane.domain.model import Key
from vectorplane.errors import Stalled, StoreMissing
from vectorplane.ports.resources import Resource

COLLECTIONS = "vectorcollections.vectorplane.dev"
STORES = "vectorstores.vectorplane.dev"
_SECONDS = 30.0
_LOG = re.compile(r"[EWI]\d{4} ")
"""How a line begins that kubectl logs before it says what went wrong."""


class KubectlFailed(Stalled):
    """kubectl is not there, or says no."""

    reason = "KubectlFailed"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One cluster; `flags` say which, e.g. `--context`."""

    flags: tuple[str, ...] = ()

    def resource(self, name: str, namespace: str | None) -> Resource:
        """One VectorCollection; of the context's own namespace where none is given."""
        where = ("-n", namespace) if namespace else ()
        return resource_of(json.loads(self.run("get", COLLECTIONS, name, *where, "-o", "json")))

    def resources(self, *where: str) -> list[Resource]:
        """VectorCollections: `-n shop`, or `-A`."""
        return [resource_of(item) for item in self.items(COLLECTIONS, *where)]

    def items(self, kind: str, *where: str) -> list[dict[str, Any]]:
        found: dict[str, Any] = json.loads(self.run("get", kind, *where, "-o", "json"))
        return list(found.get("items", ()))

    def namespace(self, name: str) -> dict[str, Any]:
        """The metadata of a namespace."""
        found: dict[str, Any] = json.loads(self.run("get", "namespace", name, "-o", "json"))
        return dict(found["metadata"])

    def secret(self, reference: Mapping[str, str] | None) -> str | None:
        """The text behind one key of a Secret, where a reference is given."""
        if reference is None:
            return None
        where = ("-n", reference["namespace"], reference["name"])
        secret = json.loads(self.run("get", "secret", *where, "-o", "json"))
        try:
            return base64.b64decode(secret["data"][reference["key"]]).decode().strip()
        except (KeyError, binascii.Error, UnicodeDecodeError):
            place = f"{reference['namespace']}/{reference['name']}"
            raise StoreMissing(f"Secret {place} has no readable key {reference['key']}") from None

    def run(self, *words: str) -> str:
        """What a call prints. Raises `KubectlFailed`, with kubectl's own words."""
        program = shutil.which("kubectl")
        if program is None:
            message = "--cluster asks kubectl what is there, and kubectl is not on the PATH"
            raise KubectlFailed(message)
        command = [program, *words, *self.flags]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise KubectlFailed(f"kubectl did not answer within {_SECONDS:.0f} s") from None
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line and not _LOG.match(line)]
            raise KubectlFailed(f"kubectl: {' '.join(said) or f'exit code {done.returncode}'}")
        return done.stdout


def resource_of(item: Mapping[str, Any]) -> Resource:
    """A VectorCollection from its JSON."""
    metadata = item["metadata"]
    return Resource(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        generation=metadata["generation"],
        created=metadata["creationTimestamp"],
        spec=item.get("spec", {}),
        status=item.get("status", {}),
        annotations=metadata.get("annotations", {}),
        finalizers=tuple(metadata.get("finalizers", ())),
        deleting="deletionTimestamp" in metadata,
    )
