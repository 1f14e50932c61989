"""The entities of a doubled Kong: what its Admin API does to them, and how it refuses."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from support.kong_double_fields import Json, is_uuid, violation
from support.kong_double_schemas import ENTITIES, checked

UNIQUE: dict[str, tuple[tuple[str, ...], ...]] = {
    "services": (("name",),),
    "routes": (("name",),),
    "consumers": (("username",), ("custom_id",)),
    "plugins": (("consumer", "name", "route", "service"), ("instance_name",)),
    "key-auths": (("key",),),
    "acls": (("consumer", "group"),),
}
FOREIGN = {"service": "services", "route": "routes", "consumer": "consumers"}
NAMES = {"key-auths": "keyauth_credentials"}


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def not_found() -> Refused:
    return Refused(404, {"message": "Not found"})


class Entities:
    """All kinds by id."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Json]] = {kind: {} for kind in ENTITIES}

    def get(self, kind: str, name: str) -> Json:
        if name not in self.kinds[kind]:
            raise not_found()
        return self.kinds[kind][name]

    def put(self, kind: str, name: str, given: Any) -> Json:
        """As a whole: what is left out has its default."""
        if not is_uuid(name):
            raise not_found()  # Kong takes it for a name, which nobody of us does
        if not isinstance(given, dict):
            given = {}
        return self._store(kind, name, given, self.kinds[kind].get(name))

    def patch(self, kind: str, name: str, given: Json) -> Json:
        if name not in self.kinds[kind]:
            message = f"could not find the entity with primary key '{_pretty({'id': name})}'"
            body = {"name": "not found", "code": 6, "message": message, "fields": {"id": name}}
            raise Refused(404, body)
        before = self.kinds[kind][name]
        after = {**before, **given}
        if isinstance(given.get("config"), dict):
            after["config"] = {**before["config"], **given["config"]}
        return self._store(kind, name, after, before)

    def post(self, kind: str, given: Any) -> Json:
        return self.put(kind, str(uuid4()), given)

    def delete(self, kind: str, name: str) -> None:
        field = kind.removesuffix("s")
        if kind == "services" and self._of("routes", field, name):
            raise Refused(
                400,
                {
                    "name": "foreign key violation",
                    "code": 4,
                    "message": "an existing 'routes' entity references this 'services' entity",
                    "fields": {"@referenced_by": "routes"},
                },
            )
        if self.kinds[kind].pop(name, None) is None:
            return
        for other, fields in ENTITIES.items():
            if field in fields:
                for child in self._of(other, field, name):
                    del self.kinds[other][child]

    def page(self, kind: str, asked: Mapping[str, str], of: tuple[str, str] | None = None) -> Json:
        """One page, sorted by id as Kong's own are."""
        size, after, tags = _size(asked), _offset(asked), _tags(asked)
        found = sorted(self.kinds[kind])
        if of:
            found = sorted(self._of(kind, *of))
        wanted = [
            name
            for name in found
            if name > after and (not tags or tags(self.kinds[kind][name]["tags"] or []))
        ]
        page: Json = {"data": [self.kinds[kind][n] for n in wanted[:size]], "next": None}
        if len(wanted) > size:
            last = json.dumps([wanted[size - 1]]).encode()
            page["offset"] = base64.urlsafe_b64encode(last).decode().rstrip("=")
            more = {"offset": page["offset"]} | {k: v for k, v in asked.items() if k != "offset"}
            page["next"] = f"/{kind}?" + "&".join(f"{k}={v}" for k, v in more.items())
        return page

    def _of(self, kind: str, field: str, name: str) -> list[str]:
        found = self.kinds[kind].items()
        return [n for n, one in found if (one[field] or {}).get("id") == name]

    def _store(self, kind: str, name: str, given: Json, before: Json | None) -> Json:
        stored, errors = checked(kind, given)
        if errors:
            raise Refused(400, violation(errors))
        for field, parent in FOREIGN.items():
            there = stored.get(field)
            if there and there["id"] not in self.kinds[parent]:
                message = (
                    f"the foreign key '{_pretty(there)}' does not reference an existing"
                    f" '{parent}' entity."
                )
                fields = {field: there}
                body = {"name": "foreign key violation", "code": 4, "message": message}
                raise Refused(400, {**body, "fields": fields})
        for fields_of_key in UNIQUE[kind]:
            self._check_unique(kind, name, {field: stored[field] for field in fields_of_key})
        if kind == "key-auths" and "key" not in given:
            stored["key"] = uuid4().hex
        now = int(time.time())
        stored |= {"id": name, "created_at": before["created_at"] if before else now}
        if "updated_at" in ENTITIES[kind]:
            stored["updated_at"] = now
        self.kinds[kind][name] = stored
        return stored

    def _check_unique(self, kind: str, name: str, key: Json) -> None:
        if all(value is None for value in key.values()):
            return
        for other, one in self.kinds[kind].items():
            if other != name and all(one[field] == value for field, value in key.items()):
                message = f"UNIQUE violation detected on '{_pretty(key)}'"
                body = {"name": "unique constraint violation", "code": 5, "message": message}
                raise Refused(409, {**body, "fields": key})


def _pretty(value: Any) -> str:
    """As Penlight writes a table."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}={_pretty(v)}" for k, v in sorted(value.items())) + "}"
    return "null" if value is None else f'"{value}"'


def _size(asked: Mapping[str, str]) -> int:
    said = asked.get("size", "100")
    message = "size must be an integer between 1 and 1000"
    if not said.lstrip("-").isdigit():
        message = "size must be a number"
    elif 1 <= int(said) <= 1000:
        return int(said)
    raise Refused(400, {"name": "invalid size", "code": 9, "message": message})


def _offset(asked: Mapping[str, str]) -> str:
    said = asked.get("offset", "")
    if not said:
        return ""
    try:
        return str(json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))[0])
    except (ValueError, binascii.Error) as error:
        message = f"'{said}' is not a valid offset: bad json encoding"
        body = {"name": "invalid offset", "code": 7, "message": message}
        raise Refused(400, body) from error


def _tags(asked: Mapping[str, str]) -> Any:
    if "tags" not in asked:
        return None
    said = asked["tags"]
    wrong = "" if said else "cannot be null"
    if "" in said.replace("/", ",").split(",") or ("," in said and "/" in said):
        wrong = wrong or "invalid filter syntax"
    if wrong:
        message = f"invalid option (tags: {wrong})"
        body = {"name": "invalid options", "code": 11, "message": message}
        raise Refused(400, {**body, "options": {"tags": wrong}})
    if "/" in said:
        return lambda tags: bool(set(said.split("/")) & set(tags))
    return lambda tags: set(said.split(",")) <= set(tags)
