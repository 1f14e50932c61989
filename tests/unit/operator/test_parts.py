"""The small parts: metrics, logs, kopf's settings, connections, the command."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import kopf
import pytest
import structlog
from click.testing import CliRunner

from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
from vectorplane.domain.model import Key
from vectorplane.domain.status import Outcome, Trouble
from vectorplane.errors import SecretUnreadable
from vectorplane.ports.resources import Resource
from vectorplane.spec_store import VectorStoreSpec
from vectorplane_operator import logs
from vectorplane_operator.command import operator
from vectorplane_operator.connection import Connection, connect_qdrant
from vectorplane_operator.handlers import configure, register
from vectorplane_operator.metrics import Metrics

TLS = {"caSecretRef": {"namespace": "here", "name": "ca", "key": "ca.crt"}}


def test_metrics_tell_looks_collections_and_stores() -> None:
    metrics = Metrics()
    ready = {"store": "main", "conditions": [{"type": "Ready", "status": "True"}]}
    resources = [
        Resource(Key("shop", "a"), "1", 1, "t", {}, ready),
        Resource(Key("shop", "b"), "2", 1, "t", {"store": "other"}),
        Resource(Key("shop", "c"), "3", 1, "t", {}, {**ready, "rebuild": {"phase": "Copying"}}),
    ]
    metrics.observe(lambda: 3, lambda: resources, lambda: 7)
    metrics.drifted(2)
    metrics.looked(Outcome(), 0.2)
    metrics.looked(Outcome(trouble=Trouble("StoreTimeout", "", store=True, retry=True)), 1)
    metrics.looked(Outcome(trouble=Trouble("NotOwned", "")), 0.1)
    metrics.store("main", True)
    metrics.store("other", False)
    metrics.store("other", None)
    metrics.store("other", None)

    lines = metrics.text().decode().splitlines()
    for expected in (
        'vectorplane_reconcile_total{result="done"} 1.0',
        'vectorplane_reconcile_total{result="waiting"} 1.0',
        'vectorplane_reconcile_total{result="stalled"} 1.0',
        "vectorplane_reconcile_duration_seconds_count 3.0",
        "vectorplane_queue_depth 3.0",
        "vectorplane_unverified 7.0",
        "vectorplane_drift_total 2.0",
        'vectorplane_collections{ready="True",store="main"} 2.0',
        'vectorplane_collections{ready="Unknown",store="other"} 1.0',
        'vectorplane_rebuilds{phase="Copying"} 1.0',
        'vectorplane_rebuilds{phase="Failed"} 0.0',
        'vectorplane_store_up{store="main"} 1.0',
    ):
        assert expected in lines
    assert not any('store_up{store="other"}' in line for line in lines)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """The logging of the test run comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.mark.usefixtures("logging_restored")
def test_every_line_is_json_whoever_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    structlog.get_logger("ours").info("changed", key="shop/products")
    logging.getLogger("kopf.reactor").warning("said by %s", "kopf")
    logging.getLogger("kopf.objects").info("one line per object")
    structlog.get_logger("ours").debug("too much")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("ours").exception("failed")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["changed", "said by kopf", "failed"]
    assert lines[0]["key"] == "shop/products"
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert "ValueError: broken" in lines[2]["exception"]


@pytest.mark.usefixtures("logging_restored")
def test_the_console_shows_the_same_for_the_eye(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "debug")
    structlog.get_logger("ours").debug("changed", key="shop/products")
    written = capsys.readouterr().err
    assert "changed" in written
    assert "shop/products" in written


@pytest.mark.usefixtures("logging_restored")
def test_what_kopf_leaves_at_a_stop_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    of_kopf = "an error occurred during closing of asynchronous generator <infinite_watch at 0x7>"
    logging.getLogger("asyncio").error(of_kopf)
    logging.getLogger("asyncio").error("something else")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["something else"]


def test_kopf_watches_and_writes_nothing() -> None:
    registry = kopf.OperatorRegistry()
    register(connect_qdrant, registry)
    watched = {h.selector.plural or h.selector.any_name for h in registry._watching._handlers}  # type: ignore[union-attr]
    assert watched == {"vectorcollections", "vectorstores"}
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()


def test_kopf_is_set_as_its_traps_ask_for() -> None:
    settings = kopf.OperatorSettings()
    configure(settings)
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.watching.server_timeout == 300
    assert settings.watching.client_timeout == 310
    assert settings.watching.connect_timeout == 30
    assert settings.watching.inactivity_timeout > 60
    assert settings.queueing.worker_limit == 50
    assert settings.persistence.finalizer.startswith("vectorplane.dev/")


def spec(**tls: object) -> VectorStoreSpec:
    qdrant = {"url": "https://qdrant:6333", "tls": tls or None}
    return VectorStoreSpec.model_validate({"qdrant": qdrant})


def test_a_connection_becomes_a_client() -> None:
    for connection in (
        Connection(spec()),
        Connection(spec(insecureSkipVerify=True), api_key="hush"),
        Connection(spec(**TLS), ca=Path(ssl.get_default_verify_paths().cafile or "").read_text()),
    ):
        assert isinstance(connect_qdrant(connection), QdrantAdmin)
        assert "hush" not in repr(connection)


def test_a_bundle_that_is_none_is_named() -> None:
    with pytest.raises(SecretUnreadable, match="Secret here/ca holds no PEM bundle"):
        connect_qdrant(Connection(spec(**TLS), ca="no bundle"))


def test_the_command_says_what_is_wrong_with_a_setting() -> None:
    ran = CliRunner().invoke(operator, env={"OPERATOR_LOG_FORMAT": "xml"})
    assert ran.exit_code == 1
    assert "OPERATOR_LOG_FORMAT: " in ran.output
    assert "xml" not in ran.output
