"""`apply`, `get`, `plan` and `delete`, with and without a `dev` that runs."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import yaml

from support.local import Local, eventually, manifest, point

INDEX = "  payloadIndexes: [{field: rank, type: Integer}]\n"


@pytest.fixture
def file(local: Local) -> Path:
    """A manifest outside of the watched folder."""
    elsewhere = local.root / "elsewhere"
    elsewhere.mkdir()
    return local.write("products.yaml", manifest(), elsewhere)


def test_without_a_dev_the_commands_do_it_themselves(local: Local, file: Path) -> None:
    done = local.run("apply", "-f", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "vectorcollection.vectorplane.dev/products created",
        "shop/products is Ready",
    ]
    done = local.run("apply", "-f", file)
    assert done.stdout.startswith("vectorcollection.vectorplane.dev/products unchanged\n")
    shown = local.run("get", "products")
    assert shown.stdout.splitlines()[1].split()[:4] == ["shop", "products", "True", "Ready"]
    assert "nothing serves them now" in shown.stderr
    dev = local.dev()
    dev.put("shop.products", [point(1)])
    assert dev.end() == 0
    done = local.run("delete", "products")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 'vectorcollection.vectorplane.dev "products" deleted\n'
    assert local.object("products") == {}
    assert "No resources found" in local.run("get").stderr
    # Retain: the data is there, and whoever may adopt it finds it.
    file.write_text(manifest(more="  adoptionPolicy: IfUnowned\n"))
    assert local.run("apply", "-f", file).returncode == 0
    dev = local.dev()
    assert dev.count("shop.products") == 1


def test_a_running_dev_carries_it_out(local: Local, file: Path) -> None:
    dev = local.dev()
    done = local.run("apply", "-f", file)
    assert done.returncode == 0, done.stderr
    assert f"shop/products is Ready: {dev.url}/api/v1/collections/shop.products" in done.stdout
    dev.put("shop.products", [point(1)])
    file.write_text(manifest(more=INDEX))
    done = local.run("apply", "-f", file)
    assert done.stdout.startswith("vectorcollection.vectorplane.dev/products configured\n")
    assert "create Integer index on rank of shop.products_1" in dev.said()
    file.write_text(manifest(size=8))
    done = local.run("apply", "-f", file)
    assert done.returncode == 1
    assert "ImmutableChange" in done.stderr
    assert "from 4 to 8" in done.stderr
    file.write_text(manifest(more="  deletionPolicy: Delete\n"))
    assert local.run("apply", "-f", file).returncode == 0
    # The folder's own looks leave it alone: a command made it.
    local.write("other.yaml", manifest("other"))
    local.until_ready("other")
    assert local.object("products")
    done = local.run("delete", "-f", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert dev.client.get("shop.products").status_code == 404


def test_a_dev_that_dies_meanwhile_is_replaced(local: Local, file: Path) -> None:
    dev = local.dev()
    dev.process.send_signal(signal.SIGSTOP)
    assert local.run("apply", "--no-wait", "-f", file).returncode == 0
    late = local.run("apply", "--timeout", "0.5", "-f", file)
    assert late.returncode == 1
    assert "no outcome in time" in late.stderr
    dev.end(signal.SIGKILL)
    done = local.run("apply", "-f", file)
    assert done.returncode == 0
    assert local.ready("products")["status"] == "True"


def test_what_the_folder_declares_is_said(local: Local) -> None:
    path = local.write("products.yaml", manifest())
    local.dev()
    local.until_ready("products")
    same = local.run("apply", "-f", path)
    assert same.stdout.startswith("vectorcollection.vectorplane.dev/products unchanged\n")
    assert "note" not in same.stdout
    deleted = local.run("delete", "products")
    assert f"{path} still declares it" in deleted.stdout


def test_nothing_is_changed_where_one_document_is_refused(local: Local, file: Path) -> None:
    assert local.run("apply", "-f", file).returncode == 0
    before = local.fingerprint()
    file.write_text(manifest(more=INDEX) + manifest("bad", size=65537) + manifest("Bad_Name"))
    done = local.run("apply", "-f", file)
    assert (done.returncode, done.stdout) == (1, "")
    words = 'The VectorCollection "bad" is invalid: spec.vectors[0].size: Invalid value: 65537'
    assert words in done.stderr
    assert '"Bad_Name"' in done.stderr
    assert local.fingerprint() == before


def test_a_plan_changes_nothing(local: Local, file: Path) -> None:
    new = local.run("plan", "-f", file, "--exit-code")
    assert new.returncode == 2, new.stderr
    assert not local.data.exists()
    assert new.stdout.splitlines() == [
        "shop/products:",
        '  + create collection shop.products_1 (vectors[""].distance: Dot, vectors[""].size: 4)',
        "  + point alias shop.products at shop.products_1",
    ]
    assert local.run("apply", "-f", file).returncode == 0
    before = local.fingerprint()
    same = local.run("plan", "-f", file, "--exit-code")
    assert (same.returncode, same.stdout) == (0, "shop/products: no changes\n")
    file.write_text(manifest(more=INDEX))
    changed = local.run("plan", "-f", file, "--exit-code")
    assert changed.returncode == 2
    assert "  + create Integer index on rank of shop.products_1" in changed.stdout
    assert local.run("plan", "-f", file).returncode == 0
    file.write_text(manifest(size=8))
    refused = local.run("plan", "-f", file, "--exit-code")
    assert refused.returncode == 1
    assert "! stalled: ImmutableChange" in refused.stdout
    file.write_text(manifest(size=0))
    invalid = local.run("plan", "-f", file)
    assert (invalid.returncode, invalid.stdout) == (1, "")
    assert local.fingerprint() == before


def test_a_plan_beside_a_running_dev(local: Local) -> None:
    path = local.write("products.yaml", manifest())
    dev = local.dev()
    local.until_ready("products")
    planned = local.run("plan", "-f", path, "--exit-code")
    assert (planned.returncode, planned.stdout) == (0, "shop/products: no changes\n")
    dev.put("shop.products", [point(1)])
    assert dev.count("shop.products") == 1


def test_get_shows_objects(local: Local, file: Path) -> None:
    file.write_text(manifest() + manifest("other", namespace="shed"))
    assert local.run("apply", "-f", file).returncode == 0
    one = json.loads(local.run("get", "products", "-o", "json").stdout)
    assert (one["kind"], one["metadata"]["name"]) == ("VectorCollection", "products")
    assert "source" not in one
    listed = yaml.safe_load(local.run("get", "-o", "yaml").stdout)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["other", "products"]
    only = json.loads(local.run("get", "-n", "shed", "-o", "json").stdout)
    assert [item["metadata"]["name"] for item in only["items"]] == ["other"]
    assert "shop.products_1" in local.run("get", "shop/products", "-o", "wide").stdout
    missing = local.run("get", "nothing")
    assert missing.returncode == 1
    assert missing.stderr == ('error: vectorcollections.vectorplane.dev "nothing" not found\n')


def test_a_name_in_two_namespaces_must_be_said_which(local: Local, file: Path) -> None:
    file.write_text(manifest() + manifest(namespace="shed"))
    assert local.run("apply", "-f", file).returncode == 0
    done = local.run("delete", "products")
    assert done.returncode == 1
    assert "several namespaces (shed, shop)" in done.stderr
    assert local.run("delete", "products", "-n", "shed").returncode == 0
    eventually(lambda: not local.object("products", "shed"))
    assert local.object("products")


def test_a_plan_needs_kubectl_for_a_cluster(local: Local, file: Path) -> None:
    local.environment["PATH"] = ""
    done = local.run("plan", "-f", file, "--cluster")
    assert done.returncode == 1
    assert "kubectl is not on the PATH" in done.stderr


def test_a_server_that_is_not_there(local: Local, file: Path) -> None:
    done = local.run("plan", "-f", file, "--qdrant-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_wrong_calls(local: Local) -> None:
    assert local.run("delete").returncode == 2
    assert local.run("delete", "x", "-f", local.folder).returncode == 2
    assert local.run("apply").returncode == 2
    assert local.run("apply", "-f", local.root / "none.yaml").returncode == 2
    assert local.run("delete", "nothing").returncode == 1
    assert not local.data.exists()
