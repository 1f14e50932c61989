"""Request ids, the line per request, and what happens when a client leaves."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from support.serving import ALL, API, PRODUCTS, serving
from vectorplane_service import logs
from vectorplane_service.metrics import Metrics
from vectorplane_service.middleware import CLIENT_GONE, RequestMiddleware

pytestmark = pytest.mark.anyio


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Logs as a process writes them; the root logger is put back."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    found = io.StringIO()
    logs.configure("info", "json", found)
    return found


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-DEF_1.2:3", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("with space", False),
        ("new\tline", False),
        ("<script>", False),
        ("", False),
        (None, False),
    ],
)
async def test_request_ids(given: str | None, kept: bool) -> None:
    async with serving() as client:
        headers = {} if given is None else {"X-Request-ID": given}
        answer = await client.get("/health/live", headers=headers)
        again = await client.get("/health/live", headers=headers)
    ids = [a.headers["x-request-id"] for a in (answer, again)]
    if kept:
        assert ids == [given, given]
    else:
        assert len(set(ids)) == 2
        assert all(len(i) == 16 for i in ids)


async def test_a_line_per_request_with_the_template_and_never_the_key(
    stream: io.StringIO,
) -> None:
    async with serving() as client:
        await client.get(f"{PRODUCTS}/points/7", headers={"X-Request-ID": "first"})
        await client.get(PRODUCTS, headers={"X-API-Key": "wrong-secret", "X-Request-ID": "second"})
        await client.get("/nothing/here")
        await client.get("/health/live")
        await client.get("/metrics")
    first, second, third = (line for line in lines(stream) if line["event"] == "request")
    assert first["route"] == f"{API}/collections/{{collection}}/points/{{id}}"
    assert (first["method"], first["status"], first["key"]) == ("GET", 404, "all")
    assert first["request_id"] == "first"
    assert first["duration_ms"] > 0
    assert (second["status"], second["request_id"], "key" in second) == (401, "second", False)
    assert (third["route"], third["status"]) == ("unmatched", 404)
    assert "secret" not in stream.getvalue()


async def test_lines_of_libraries_carry_the_request_id_too(stream: io.StringIO) -> None:
    async with serving() as client:
        await client.get(PRODUCTS, headers={"X-Request-ID": "mine"})
        logging.getLogger("some.library").warning("half %s", "done")
        logging.getLogger("httpx").info("chatter")
    (line,) = [line for line in lines(stream) if line.get("logger") == "some.library"]
    assert (line["event"], line["level"]) == ("half done", "warning")
    assert "chatter" not in stream.getvalue()


async def test_a_crash_is_told_with_its_story(stream: io.StringIO) -> None:
    try:
        raise ValueError("what happened")
    except ValueError:
        logging.getLogger("x").exception("broken")
    assert "ValueError: what happened" in lines(stream)[-1]["exception"]


def test_lines_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    stream = io.StringIO()
    logs.configure("warning", "console", stream)
    logging.getLogger("x").warning("mind the gap")
    logging.getLogger("x").info("not this")
    assert "mind the gap" in stream.getvalue()
    assert "not this" not in stream.getvalue()


async def test_logs_go_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    logs.configure()
    logging.getLogger("x").warning("here")
    assert json.loads(capsys.readouterr().err)["event"] == "here"


async def test_switched_off_authentication_is_said_loudly() -> None:
    with capture_logs() as said:
        async with serving(auth_enabled=False, api_keys=()):
            pass
    assert [line["log_level"] for line in said if "OFF" in line["event"]] == ["warning"]


def scope(headers: dict[str, str]) -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": raw}


async def test_a_client_that_leaves_is_a_line_and_no_error() -> None:
    """Through the whole application: the body never comes to its end."""
    app_under_test: Any = None
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async with serving() as client:
        app_under_test = client._transport.app  # type: ignore[attr-defined]
        asked = {
            **scope({**ALL, "Content-Type": "application/json"}),
            "path": f"{PRODUCTS}/search",
            "raw_path": b"",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "server": ("service", 80),
            "client": ("test", 1),
            "http_version": "1.1",
        }
        with capture_logs() as said:
            await app_under_test(asked, receive, send)
    assert said[-1]["status"] == CLIENT_GONE
    assert not [line for line in said if line["log_level"] == "error"]
    assert sent == []


async def test_half_an_answer_is_not_followed_by_another() -> None:
    sent: list[Message] = []

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    async def send(message: Message) -> None:
        sent.append(message)

    layer = RequestMiddleware(broken, max_body_bytes=1, metrics=Metrics())
    with pytest.raises(RuntimeError, match="in the middle"), capture_logs():
        await layer(scope({}), _nothing, send)
    assert len(sent) == 1


async def test_what_is_no_request_passes() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await RequestMiddleware(app, max_body_bytes=1, metrics=Metrics())(
        {"type": "lifespan"}, _nothing, _drop
    )
    assert seen == ["lifespan"]


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drop(message: Message) -> None:
    """Nobody listens."""
