"""The client of the Kubernetes API against answers that a healthy API server does not give."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from vectorplane.errors import ApiUnavailable, NotLeading, SecretUnreadable
from vectorplane.spec_store import SecretKeyRef
from vectorplane_operator import kube
from vectorplane_operator.fence import Fence
from vectorplane_operator.kube import Api, Forbidden, Gone, Stale, as_yaml, path_of

pytestmark = pytest.mark.anyio
REF = SecretKeyRef(namespace="here", name="qdrant", key="api-key")
Answer = Callable[[web.Request], Awaitable[web.Response]]


class Server:
    """Answers what a test says; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[str] = []
        self.answer: Answer = self._empty
        self.url = ""

    async def _empty(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.text())
        return await self.answer(request)

    def always(self, status: int, body: Any = None, **headers: str) -> None:
        named = {k.replace("_", "-"): v for k, v in headers.items()}

        async def answer(request: web.Request) -> web.Response:
            return web.json_response(body or {}, status=status, headers=named)

        self.answer = answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def write_kubeconfig(path: Path, url: str, token: str) -> None:
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": token}}],
            }
        )
    )


@pytest.fixture
async def api(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    kubeconfig = tmp_path / "kubeconfig"
    write_kubeconfig(kubeconfig, server.url, "first")
    # The library reads $KUBECONFIG when it is imported.
    monkeypatch.setattr(
        "kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig)
    )
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    made = await Api.connect()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ApiUnavailable),
        (401, ApiUnavailable),
        (403, Forbidden),
        (404, Gone),
        (409, Stale),
        (422, ApiUnavailable),
        (429, ApiUnavailable),
        (500, ApiUnavailable),
        (503, ApiUnavailable),
    ],
)
async def test_an_error_becomes_one_of_ours_with_its_words(
    api: Api, server: Server, status: int, expected: type[Exception]
) -> None:
    server.always(status, {"message": "because of this"})
    with pytest.raises(expected, match="because of this"):
        await api.get("/any")


@pytest.mark.usefixtures("api")
async def test_each_request_is_counted_whatever_comes_of_it(server: Server) -> None:
    said: list[tuple[str, int | None]] = []
    made = await Api.connect(seen=lambda method, status, _seconds: said.append((method, status)))
    server.always(200, {})
    await made.get("/any")
    server.always(403, {"message": "no"})
    with pytest.raises(Forbidden):
        await made.create("/any", {})
    await made.close()
    assert said == [("GET", 200), ("POST", 403)]


async def test_a_server_that_says_when_to_come_back_is_heard(api: Api, server: Server) -> None:
    server.always(429, Retry_After="7")
    with pytest.raises(ApiUnavailable) as caught:
        await api.get("/any")
    assert caught.value.retry_after == 7.0


async def test_an_answer_that_is_no_json_is_no_crash(api: Api, server: Server) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="<html>", status=502)

    server.answer = answer
    with pytest.raises(ApiUnavailable, match="answered 502"):
        await api.get("/any")


async def test_a_closed_port_and_a_cut_answer_are_unreachable(api: Api, server: Server) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    server.answer = cut
    with pytest.raises(ApiUnavailable, match="unreachable"):
        await api.get("/any")


async def test_silence_ends(api: Api, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    import aiohttp

    async def silence(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    server.answer = silence
    monkeypatch.setattr(kube, "_TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    with pytest.raises(ApiUnavailable, match="in time"):
        await api.get("/any")


async def test_a_token_that_ended_is_read_again(api: Api, server: Server, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        good = request.headers["Authorization"] == "Bearer second"
        return web.json_response({}, status=200 if good else 401)

    server.answer = answer
    write_kubeconfig(tmp_path / "kubeconfig", server.url, "second")
    with pytest.raises(ApiUnavailable):
        await api.get("/any")
    assert await api.get("/any") == {}

    (tmp_path / "kubeconfig").unlink()
    server.always(401)
    with pytest.raises(ApiUnavailable):
        await api.get("/any")


async def test_a_list_is_read_page_by_page(api: Api, server: Server) -> None:
    pages: dict[str, Any] = {
        "": {"items": [{"n": 1}], "metadata": {"continue": "a/b="}},
        "a/b=": {"items": [{"n": 2}], "metadata": {}},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(pages[request.query.get("continue", "")])

    server.answer = answer
    assert [page async for page in api.pages("/list", limit=1)] == [[{"n": 1}], [{"n": 2}]]
    assert server.asked[0].query["limit"] == "1"


async def test_a_watch_gives_events_until_the_server_ends_it(api: Api, server: Server) -> None:
    lines = [b'{"type": "ADDED", "object": {"n": 1}}\n', b'{"type": "DELETED", "object": {}}\n']

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"".join(lines))

    server.answer = answer
    events = [event async for event in api.watch("/list", "7")]
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]
    assert server.asked[0].query["resourceVersion"] == "7"
    assert server.asked[0].query["watch"] == "true"


@pytest.mark.parametrize("how", ["status", "event"])
async def test_a_watch_of_a_version_that_is_too_old(api: Api, server: Server, how: str) -> None:
    status = {"code": 410, "message": "too old resource version"}
    if how == "status":
        server.always(410, status)
    else:
        server.always(200, {"type": "ERROR", "object": status})
    with pytest.raises(ApiUnavailable, match="410: too old"):
        _ = [event async for event in api.watch("/list", "7")]


async def test_writes_say_who_writes(api: Api, server: Server) -> None:
    await api.merge("/a", {"metadata": {}})
    await api.apply("/a/status", {"status": {}})
    await api.create("/b", {"kind": "Event"})

    said = [(r.method, r.content_type, r.query["fieldManager"]) for r in server.asked]
    assert said == [
        ("PATCH", "application/merge-patch+json", "vectorplane-operator"),
        ("PATCH", "application/apply-patch+yaml", "vectorplane-operator"),
        ("POST", "application/json", "vectorplane-operator"),
    ]
    assert server.asked[1].query["force"] == "true"
    assert server.bodies[0] == '{"metadata": {}}'
    assert server.asked[0].headers["User-Agent"].startswith("vectorplane-operator/")


def test_what_is_applied_is_json_and_yaml() -> None:
    odd = "".join(map(chr, range(1, 0xD800))) + "\ue000\ufeff\ufffe\uffff\U000242b7\U0010ffff"
    body = {"status": {"message": odd, "count": 3, "share": 0.5, "none": None, "on": True}}
    text = as_yaml(body)
    assert json.loads(text) == body
    assert yaml.safe_load(text) == body


async def test_who_does_not_lead_reads_and_writes_nothing(api: Api, server: Server) -> None:
    fence = Fence()
    api._guard = fence.writing
    for write in (
        lambda: api.merge("/a", {"metadata": {}}),
        lambda: api.apply("/a/status", {"status": {}}),
        lambda: api.create("/b", {"kind": "Event"}),
    ):
        with pytest.raises(NotLeading):
            await write()
    assert await api.get("/any") == {}
    assert [request.method for request in server.asked] == ["GET"]

    fence.open()
    assert await api.create("/b", {"kind": "Event"}) == {}


async def test_a_write_that_waits_is_cut_off_when_the_lease_is_lost(
    api: Api, server: Server
) -> None:
    import asyncio

    async def silence(request: web.Request) -> web.Response:
        fence.shut()
        await asyncio.sleep(5)
        return web.Response()

    fence = Fence()
    fence.open()
    api._guard = fence.writing
    server.answer = silence
    with pytest.raises(NotLeading, match="while this was being written"):
        await api.create("/b", {"kind": "Event"})


async def test_a_secret_is_read_without_its_line_end(api: Api, server: Server) -> None:
    server.always(200, {"data": {"api-key": base64.b64encode(b"hush\n").decode()}})
    assert await api.secret(REF) == "hush"


@pytest.mark.parametrize(
    ("status", "data", "said"),
    [
        (404, {}, "there is no Secret here/qdrant"),
        (403, {}, "the operator may not read Secret here/qdrant: grant it `get`"),
        (200, {"other": "aHVzaA=="}, "Secret here/qdrant has no key api-key"),
        (200, {"api-key": "hush"}, "key api-key of Secret here/qdrant is no text"),
        (200, {"api-key": "//79"}, "key api-key of Secret here/qdrant is no text"),
    ],
)
async def test_a_secret_that_cannot_be_read_is_named_and_not_shown(
    api: Api, server: Server, status: int, data: dict[str, str], said: str
) -> None:
    server.always(status, {"data": data})
    with pytest.raises(SecretUnreadable, match=said) as caught:
        await api.secret(REF)
    assert "hush" not in str(caught.value)


def test_paths() -> None:
    assert path_of("vectorstores") == "/apis/vectorplane.dev/v1alpha1/vectorstores"
    assert path_of("vectorcollections", "shop", "products") == (
        "/apis/vectorplane.dev/v1alpha1/namespaces/shop/vectorcollections/products"
    )
