"""What the Admin API of Kong 3.9 says, word by word where we read it: of the double and a real
one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.gateways import PROXIES

Json = dict[str, Any]


class Api:
    """Calls, and everything that was made gone afterwards."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False, verify=False)
        self.made: list[str] = []

    def put(self, kind: str, identity: str | None = None, /, **body: Any) -> httpx.Response:
        path = f"/{kind}/{identity or uuid4()}"
        self.made.append(path)
        return self.http.put(path, json=body)

    def make(self, kind: str, /, **body: Any) -> str:
        answer = self.put(kind, **body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def close(self) -> None:
        for path in reversed(self.made):
            self.http.delete(path)
        self.http.close()


@pytest.fixture(scope="module", params=PROXIES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with PROXIES[request.param](request) as at:
        yield at.admin


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    api = Api(url)
    try:
        yield api
    finally:
        api.close()


def _unknown() -> Json:
    return {"id": str(uuid4())}


WRONG: list[tuple[str, Json, str]] = [
    ("services", {}, "host: required field missing"),
    ("services", {"host": None}, "host: required field missing"),
    ("services", {"host": ""}, "host: length must be at least 1"),
    ("services", {"host": "a b"}, "host: invalid value: a b"),
    ("services", {"host": "x:80"}, "host: must not have a port"),
    ("services", {"host": "x", "port": "80"}, "port: expected an integer"),
    ("services", {"host": "x", "port": 70000}, "port: value should be between 0 and 65535"),
    ("services", {"host": "x", "path": "zz"}, "path: should start with: /"),
    ("services", {"host": "x", "enabled": "zz"}, "enabled: expected a boolean"),
    ("services", {"host": "x", "tags": "a"}, "tags: expected a set"),
    ("services", {"host": "x", "tags": [1]}, "tags.1: expected a string"),
    ("services", {"host": "x", "nope": 1}, "nope: unknown field"),
    (
        "services",
        {"host": "x", "name": "a/b"},
        "name: invalid value 'a/b': the only accepted ascii characters are alphanumerics or ., -,"
        " _, and ~",
    ),
    ("routes", {"paths": ["x"]}, "paths.1: should start with: / (fixed path) or ~/ (regex path)"),
    ("routes", {"paths": ["/a", "/x//y"]}, "paths.2: must not have empty segments"),
    ("routes", {"paths": ["/a"], "methods": ["get"]}, "methods.1: invalid value: get"),
    ("routes", {"paths": ["/a"], "service": "x"}, "service.id: missing primary key"),
    ("routes", {"paths": ["/a"], "service": {"id": "x"}}, "service.id: expected a valid UUID"),
    ("routes", {"paths": ["/a"], "path_handling": "v2"}, "path_handling: expected one of: v0, v1"),
    ("routes", {"paths": ["/a"], "strip_path": None}, "strip_path: required field missing"),
    ("routes", {"paths": ["/a"], "protocols": ["zz"]}, "protocols: unknown type: zz"),
    (
        "routes",
        {},
        "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis' when 'protocols' is"
        " 'https'",
    ),
    (
        "consumers",
        {"tags": ["x"]},
        "at least one of these fields must be non-empty: 'custom_id', 'username'",
    ),
    ("plugins", {"config": {}}, "name: required field missing"),
    (
        "plugins",
        {"name": "nope"},
        "name: plugin 'nope' not enabled; add it to the 'plugins' configuration property",
    ),
    ("plugins", {"name": "prometheus", "config": {"x": 1}}, "config.x: unknown field"),
    ("plugins", {"name": "prometheus", "config": None}, "config: required field missing"),
    (
        "plugins",
        {"name": "rate-limiting", "config": {"minute": "a"}},
        "config.minute: expected a number",
    ),
    (
        "plugins",
        {"name": "rate-limiting", "config": {"minute": 0}},
        "config.minute: value must be greater than 0",
    ),
    (
        "plugins",
        {"name": "request-size-limiting", "config": {"size_unit": "b"}},
        "config.size_unit: expected one of: megabytes, kilobytes, bytes",
    ),
    ("acls", {"group": "g"}, "consumer: required field missing"),
    ("acls", {"group": "", "consumer": _unknown()}, "group: length must be at least 1"),
    ("key-auths", {"key": "", "consumer": _unknown()}, "key: length must be at least 1"),
    ("key-auths", {"key": 17, "consumer": _unknown()}, "key: expected a string"),
]


@pytest.mark.parametrize(("kind", "body", "said"), WRONG)
def test_what_is_wrong_is_said_by_field(api: Api, kind: str, body: Json, said: str) -> None:
    answer = api.put(kind, **body)
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["code"], problem["name"]) == (2, "schema violation")
    assert problem["message"] == f"schema violation ({said})"
    assert problem["fields"]


def test_several_wrongs_are_counted(api: Api) -> None:
    problem = api.put("services", nope=1, host="").json()
    assert problem["message"] == (
        "2 schema violations (host: length must be at least 1; nope: unknown field)"
    )
    assert problem["fields"] == {"nope": "unknown field", "host": "length must be at least 1"}


def test_what_is_taken_is_named(api: Api) -> None:
    name = f"n{uuid4().hex}"
    service = api.make("services", host="x", name=name)
    consumer = api.make("consumers", username=name, custom_id=name)
    at: Json = {"service": {"id": service}}
    of: Json = {"consumer": {"id": consumer}}
    api.make("routes", paths=["/x"], name=name, **at)
    api.make("plugins", name="key-auth", **at)
    api.make("key-auths", key=name, **of)
    api.make("acls", group="g", **of)
    taken: list[tuple[str, Json, Json, str]] = [
        ("services", {"host": "x", "name": name}, {"name": name}, f'{{name="{name}"}}'),
        ("routes", {"paths": ["/y"], "name": name}, {"name": name}, f'{{name="{name}"}}'),
        ("consumers", {"username": name}, {"username": name}, f'{{username="{name}"}}'),
        ("consumers", {"custom_id": name}, {"custom_id": name}, f'{{custom_id="{name}"}}'),
        ("key-auths", {"key": name, **of}, {"key": name}, f'{{key="{name}"}}'),
        (
            "acls",
            {"group": "g", **of},
            {"group": "g", **of},
            f'{{consumer={{id="{consumer}"}},group="g"}}',
        ),
        (
            "plugins",
            {"name": "key-auth", **at},
            {"name": "key-auth", "consumer": None, "route": None, **at},
            f'{{consumer=null,name="key-auth",route=null,service={{id="{service}"}}}}',
        ),
    ]
    for kind, body, fields, words in taken:
        answer = api.put(kind, **body)
        assert answer.status_code == 409
        assert answer.json() == {
            "code": 5,
            "name": "unique constraint violation",
            "message": f"UNIQUE violation detected on '{words}'",
            "fields": fields,
        }


def test_what_something_belongs_to_is_there(api: Api) -> None:
    missing = _unknown()
    for kind, parent, body in (
        ("routes", "services", {"paths": ["/x"], "service": missing}),
        ("plugins", "services", {"name": "key-auth", "service": missing}),
        ("plugins", "routes", {"name": "key-auth", "route": missing}),
        ("acls", "consumers", {"group": "g", "consumer": missing}),
        ("key-auths", "consumers", {"key": uuid4().hex, "consumer": missing}),
    ):
        answer = api.put(kind, **body)
        assert answer.status_code == 400
        problem = answer.json()
        assert (problem["code"], problem["name"]) == (4, "foreign key violation")
        assert problem["message"] == (
            f"the foreign key '{{id=\"{missing['id']}\"}}' does not reference an existing"
            f" '{parent}' entity."
        )
        assert problem["fields"] == {parent.removesuffix("s"): missing}


def test_a_service_with_routes_stays_and_all_else_goes_along(api: Api) -> None:
    service = api.make("services", host="x")
    at: Json = {"service": {"id": service}}
    route = api.make("routes", paths=["/x"], **at)
    plugins = [
        api.make("plugins", name="key-auth", **at),
        api.make("plugins", name="key-auth", route={"id": route}),
    ]
    refused = api.http.delete(f"/services/{service}")
    assert refused.status_code == 400
    assert refused.json() == {
        "code": 4,
        "name": "foreign key violation",
        "message": "an existing 'routes' entity references this 'services' entity",
        "fields": {"@referenced_by": "routes"},
    }
    assert api.http.delete(f"/routes/{route}").status_code == 204
    assert api.http.delete(f"/services/{service}").status_code == 204
    consumer = api.make("consumers", username=uuid4().hex)
    of: Json = {"consumer": {"id": consumer}}
    acl, key = api.make("acls", group="g", **of), api.make("key-auths", key=uuid4().hex, **of)
    assert api.http.delete(f"/consumers/{consumer}").status_code == 204
    gone = [f"/plugins/{plugin}" for plugin in plugins] + [f"/acls/{acl}", f"/key-auths/{key}"]
    for path in gone:
        assert api.http.get(path).status_code == 404
        assert api.http.delete(path).status_code == 204, "a second time is fine"


def test_a_put_is_whole_and_a_patch_is_not(api: Api) -> None:
    name, tags = str(uuid4()), ["b", "a"]
    made = api.put("services", name, host="x", port=81, path="/p", tags=tags).json()
    assert (made["port"], made["path"], made["tags"]) == (81, "/p", tags)
    assert (made["protocol"], made["retries"], made["enabled"]) == ("http", 5, True)
    changed = api.http.patch(f"/services/{name}", json={"port": 82}).json()
    assert (changed["port"], changed["path"]) == (82, "/p")
    again = api.put("services", name, host="y").json()
    assert (again["host"], again["port"], again["path"], again["tags"]) == ("y", 80, None, None)
    plugin = str(uuid4())
    config = {"minute": 5}
    first = api.put("plugins", plugin, name="rate-limiting", config=config).json()["config"]
    assert (first["minute"], first["hour"], first["limit_by"]) == (5, None, "consumer")
    more = api.http.patch(f"/plugins/{plugin}", json={"config": {"hour": 9}}).json()["config"]
    assert (more["minute"], more["hour"]) == (5, 9)


def test_pages_follow_an_offset_and_tags_are_joined(api: Api) -> None:
    mine, other = f"m{uuid4().hex}", f"o{uuid4().hex}"
    made = {api.make("consumers", username=uuid4().hex, tags=[mine, other]) for _ in range(5)}
    half = {api.make("consumers", username=uuid4().hex, tags=[mine]) for _ in range(2)}

    def listed(tags: str, size: int) -> list[set[str]]:
        pages: list[set[str]] = []
        asked: dict[str, str | int] = {"tags": tags, "size": size}
        while True:
            page = api.http.get("/consumers", params=asked).json()
            pages.append({one["id"] for one in page["data"]})
            if "offset" not in page:
                assert page["next"] is None
                return pages
            asked["offset"] = page["offset"]

    assert [len(page) for page in listed(f"{mine},{other}", 2)] == [2, 2, 1]
    assert set().union(*listed(f"{mine},{other}", 2)) == made
    assert set().union(*listed(mine, 1000)) == made | half
    assert set().union(*listed(f"{other}/{uuid4().hex}", 3)) == made
    assert listed(uuid4().hex, 5) == [set()]


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ("size=1001", 9, "size must be an integer between 1 and 1000"),
        ("size=0", 9, "size must be an integer between 1 and 1000"),
        ("size=x", 9, "size must be a number"),
        ("offset=abc", 7, "'abc' is not a valid offset: bad json encoding"),
        ("tags=a,,b", 11, "invalid option (tags: invalid filter syntax)"),
        ("tags=", 11, "invalid option (tags: cannot be null)"),
    ],
)
def test_a_page_that_cannot_be(api: Api, asked: str, code: int, said: str) -> None:
    answer = api.http.get(f"/routes?{asked}")
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["message"]) == (code, said)


def test_what_is_nowhere_or_no_method(api: Api) -> None:
    nothing = {"message": "Not found"}
    for path in ("/nope", f"/services/{uuid4()}", f"/services/{uuid4()}/routes"):
        assert (api.http.get(path).status_code, api.http.get(path).json()) == (404, nothing)
    for method, path in (("PUT", "/services"), ("POST", f"/services/{uuid4()}")):
        answer = api.http.request(method, path, json={})
        assert (answer.status_code, answer.json()) == (405, {"message": "Method not allowed"})
    headers = {"content-type": "application/json"}
    answer = api.http.put(f"/services/{uuid4()}", content=b'{"nope"', headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"message": "Cannot parse JSON body"})
