"""What happens to a folder of manifests while `vectorplane dev` runs on it."""

from __future__ import annotations

from support.local import Local, eventually, manifest, point

INDEX = "  payloadIndexes: [{field: rank, type: Integer}]\n"


def test_an_edit_arrives_and_an_immutable_one_is_refused(local: Local) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev()
    local.until_ready("products")
    dev.put("shop.products", [point(n) for n in range(5)])
    local.write("products.yaml", manifest(more=INDEX))
    eventually(lambda: local.object("products")["metadata"]["generation"] == 2)
    local.until_ready("products")
    eventually(lambda: "create Integer index on rank of shop.products_1" in dev.said())
    local.write("products.yaml", manifest(size=8, more=INDEX))
    message = local.until_refused("products", "ImmutableChange")
    assert "from 4 to 8" in message
    assert message in dev.said()
    assert dev.count("shop.products") == 5
    local.write("products.yaml", manifest(more=INDEX))
    local.until_ready("products")
    assert local.run("plan", "-f", local.folder).stdout == "shop/products: no changes\n"


def test_an_invalid_file_loses_nothing(local: Local) -> None:
    path = local.write("products.yaml", manifest())
    dev = local.dev()
    before = local.until_ready("products")
    dev.put("shop.products", [point(1)])
    local.write("products.yaml", manifest(size=0))
    words = 'The VectorCollection "products" is invalid: spec.vectors[0].size: Invalid value: 0'
    eventually(lambda: words in dev.said())
    local.write("products.yaml", "not: [yaml")
    eventually(lambda: dev.said().count("problem  products.yaml") == 2)
    assert dev.count("shop.products") == 1
    assert local.object("products")["metadata"] == before["metadata"]
    assert dev.end() == 0
    # Nor does a start with the bad file.
    dev = local.dev()
    eventually(lambda: "problem  products.yaml" in dev.said())
    local.until_ready("products")
    assert dev.count("shop.products") == 1
    path.write_text(manifest(more=INDEX))
    eventually(lambda: "mended  products.yaml" in dev.said())
    local.until_ready("products")


def test_a_removed_file_releases_and_keeps_the_data(local: Local) -> None:
    path = local.write("products.yaml", manifest())
    local.write("other.yaml", manifest("other"))
    dev = local.dev()
    local.until_ready("products")
    dev.put("shop.products", [point(1)])
    path.unlink()
    eventually(lambda: not local.object("products"))
    assert dev.count("shop.products") == 1
    assert local.until_ready("other")
    eventually(lambda: "its data stays, owned by nobody" in dev.said())
    local.write("products.yaml", manifest())
    assert "IfUnowned" in local.until_refused("products", "NotOwned")
    local.write("products.yaml", manifest(more="  adoptionPolicy: IfUnowned\n"))
    local.until_ready("products")
    assert dev.count("shop.products") == 1


def test_a_removed_file_drops_the_data_where_it_says_so(local: Local) -> None:
    path = local.write("products.yaml", manifest(more="  deletionPolicy: Delete\n"))
    dev = local.dev()
    local.until_ready("products")
    dev.put("shop.products", [point(1)])
    path.unlink()
    eventually(lambda: not local.object("products"))
    assert dev.client.post("shop.products/points/count", json={}).status_code == 404
    local.write("products.yaml", manifest(size=8))
    local.until_ready("products")
    assert dev.count("shop.products") == 0


def test_the_oldest_claim_to_an_alias_wins(local: Local) -> None:
    local.write("1.yaml", manifest("first", more="  aliases: [live]\n"))
    dev = local.dev()
    local.until_ready("first")
    local.write("0.yaml", manifest("second", more="  aliases: [live]\n"))
    assert "shop/first" in local.until_refused("second", "ResourceConflict")
    (local.folder / "1.yaml").unlink()
    eventually(lambda: not local.object("first"))
    # Retain leaves the alias with the data: what was first is still served by that name.
    assert "shop.live" in local.until_refused("second", "NotOwned")
    local.write("0.yaml", manifest("second"))
    local.until_ready("second")
    assert dev.process.poll() is None


def test_a_store_is_accepted_and_said_once(local: Local) -> None:
    store = (
        "apiVersion: vectorplane.dev/v1alpha1\nkind: VectorStore\nmetadata: {name: main}\n"
        "spec: {qdrant: {url: 'http://qdrant.qdrant.svc:6333'}}\n"
    )
    local.write("store.yaml", store)
    local.write("products.yaml", manifest(more="  store: main\n"))
    dev = local.dev()
    assert local.until_ready("products")["status"]["store"] == "main"
    local.write("store.yaml", store.replace("qdrant.svc", "other.svc"))
    local.write("other.yaml", manifest("other"))
    local.until_ready("other")
    assert dev.said().count("stands in for every store") == 1


def test_a_paused_resource_is_left_alone(local: Local) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev()
    local.until_ready("products")
    paused = '  annotations: {vectorplane.dev/paused: "true"}\nspec:'
    local.write("products.yaml", manifest(more=INDEX).replace("spec:", paused))
    local.until_refused("products", "Paused")
    assert "create Integer index" not in dev.said()
    local.write("products.yaml", manifest(more=INDEX))
    local.until_ready("products")
    eventually(lambda: "create Integer index" in dev.said())


def test_a_folder_that_comes_back_is_watched_again(local: Local) -> None:
    local.write("products.yaml", manifest())
    dev = local.dev()
    local.until_ready("products")
    local.folder.rename(local.root / "moved")
    eventually(lambda: "there is no such folder" in dev.said())
    (local.root / "moved").rename(local.folder)
    local.write("other.yaml", manifest("other"))
    local.until_ready("other")
    assert local.ready("products")["status"] == "True"
