"""Names of our objects: valid, the same each time, and of no two resources the same.

A name is `vp-<resource>-<role>`. A role has no hyphen, so the last one tells where it begins, and
`vp-a-write-read` is the collection `a-write`. What is made for a VectorAccess begins with `vpa-`
and what is made for the service as a whole with `vps-`. A name that would be too long gets a
digest, and an `x` before the first hyphen, which no other name has.
"""

from __future__ import annotations

from hashlib import sha256

from vectorplane.domain.exposure import Credential, Owner

MOST = 253
"""Characters that Kubernetes takes as a name."""
_PREFIX = {"VectorCollection": "vp", "VectorAccess": "vpa", "Service": "vps"}


def name_of(owner: Owner, role: str) -> str:
    """The name of the one object of a kind that plays this role for a resource."""
    return _joined(_PREFIX[owner.kind], owner.key.name, role)


def consumer_name(credential: Credential) -> str:
    """Of a resource there is one consumer; of the service there may be several."""
    return _joined(_PREFIX[credential.owner.kind], _whose(credential), "consumer")


def secret_name(credential: Credential, role: str, what: str) -> str:
    """The name of the Secret for one key, or for one group. What a key id may hold is not ours to
    say, so a digest stands for it."""
    whose = f"{_whose(credential)}-{digest(what)}"
    return _joined(_PREFIX[credential.owner.kind], whose, role)


def grant_name(owner: Owner) -> str:
    """Grants of all namespaces stand in one: the UID tells them apart."""
    return f"vp-{digest(owner.uid)}-grant"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _whose(credential: Credential) -> str:
    owner = credential.owner
    if owner.kind == "Service":
        return f"{owner.key.name}-{digest(credential.username)}"
    return owner.key.name


def _joined(prefix: str, whose: str, role: str) -> str:
    name = f"{prefix}-{whose}-{role}"
    if len(name) <= MOST:
        return name
    room = MOST - len(f"{prefix}x---{role}") - len(digest(whose))
    kept = whose[:room].rstrip("-.")
    return f"{prefix}x-{kept}-{digest(whose)}-{role}"
