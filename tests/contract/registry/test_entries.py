"""What a registry does with entries, on a real Consul."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from support.registry import Registry, entry
from vectorplane.adapters.registry.consul import ConsulCatalog
from vectorplane.domain.exposure import Change, Credential, Exposure, Put, Ref
from vectorplane.errors import RegistryRejected

pytestmark = pytest.mark.anyio


async def test_an_entry_is_found_by_who_looks_it_up(registry: Registry) -> None:
    await registry.converge([entry(passing=False, output="CollectionReady: no room")])

    (instance,) = registry.instances("shop-products")
    service, (check,) = instance["Service"], instance["Checks"]
    assert (service["ID"], service["Address"]) == ("shop.products", "gateway.example.com")
    assert service["Port"] == 8443
    assert service["Tags"] == ["search", "b", "a"]
    assert service["Meta"] == {
        "external-source": "kubernetes",
        "vectorplane-uid": "uid-products",
        "namespace": "shop",
        "collection": "shop.products",
        "path": "/shop/products",
    }
    assert check["Status"] == "critical"
    assert check["Output"] == "CollectionReady: no room"
    assert instance["Node"]["Meta"] == {
        "external-node": "true",
        "external-probe": "false",
        "managed-by": "vectorplane",
        "vectorplane-cluster": "ours",
    }


async def test_the_health_is_the_one_that_was_given(registry: Registry) -> None:
    for passing in (True, False, True):
        await registry.converge([entry(passing=passing, output=f"passing: {passing}")])
        (instance,) = registry.instances("shop-products")
        (check,) = instance["Checks"]
        assert check["Status"] == ("passing" if passing else "critical")
        assert check["Output"] == f"passing: {passing}"


async def test_what_is_put_is_what_is_found(registry: Registry) -> None:
    wishes = [entry(), entry("plain", tags=(), meta={}), entry("ünï", output="ü\n“x” 𝛼")]
    put = {
        ref: await registry.provider.put(ref, body) for ref, body in registry.wanted(wishes).items()
    }

    assert await registry.pending(wishes) == []
    found = await registry.provider.survey()
    assert {ref: it.uid for ref, it in found.items()} == {ref: it.uid for ref, it in put.items()}
    assert registry.provider.programmed(found) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "shop-other"},
        {"address": "10.0.0.1"},
        {"port": 1},
        {"passing": False},
        {"output": "another"},
        {"tags": ("search", "b")},
        {"tags": ()},
        {"meta": {"namespace": "shop", "path": "/elsewhere"}},
        {"meta": {"namespace": "shop"}},
        {"uid": "uid-of-the-next-one"},
    ],
    ids=str,
)
async def test_an_edit_is_one_put(registry: Registry, changed: dict[str, Any]) -> None:
    await registry.converge([entry()])
    edited = [replace(entry(uid=changed.pop("uid", "")), **changed)]

    done = await registry.converge(edited)

    assert [(type(it), it.ref) for it in done] == [(Put, Ref("service", "shop.products"))]
    assert await registry.pending(edited) == []
    assert list(registry.services()) == ["shop.products"]


DRIFT: dict[str, dict[str, Any]] = {
    "another address": {"Address": "6.6.6.6"},
    "another port": {"Port": 666},
    "another tag": {"Tags": ["search"]},
    "a key too many": {
        "Meta": {**dict(entry().meta), "vectorplane-uid": "uid-products", "evil": "yes"}
    },
}


@pytest.mark.parametrize("drift", DRIFT.values(), ids=DRIFT.keys())
async def test_an_edit_of_somebody_else_is_put_right(
    registry: Registry, drift: dict[str, Any]
) -> None:
    await registry.converge([entry()])
    before = registry.services()
    service = {key: before["shop.products"][key] for key in ("ID", "Service", "Address", "Port")}
    service |= {key: before["shop.products"][key] for key in ("Tags", "Meta")}
    body = {"Node": registry.node, "SkipNodeUpdate": True, "Service": service | drift}
    registry.consul.put("/v1/catalog/register", body)

    assert len(await registry.converge([entry()])) == 1
    after = registry.services()
    assert after["shop.products"]["Meta"] == before["shop.products"]["Meta"]
    assert after["shop.products"]["Address"] == "gateway.example.com"
    assert await registry.pending([entry()]) == []


async def test_a_check_that_somebody_removed_comes_back(registry: Registry) -> None:
    await registry.converge([entry()])
    body = {"Node": registry.node, "CheckID": "service:shop.products"}
    registry.consul.put("/v1/catalog/deregister", body)
    assert registry.instances("shop-products")[0]["Checks"] == []

    assert len(await registry.converge([entry()])) == 1
    assert len(registry.instances("shop-products")[0]["Checks"]) == 1


async def test_with_the_last_entry_the_node_goes(registry: Registry) -> None:
    await registry.converge([entry("one"), entry("two")])
    await registry.converge([entry("two")])
    assert registry.has_node()
    assert list(registry.services()) == ["shop.two"]

    await registry.converge([])
    assert not registry.has_node()
    assert registry.consul.get(f"/v1/health/node/{registry.node}") == []
    assert await registry.provider.survey() == {}


async def test_a_node_that_was_left_empty_goes_with_the_next_look(registry: Registry) -> None:
    """Who was killed between the last entry and its node."""
    await registry.converge([entry()])
    body = {"Node": registry.node, "ServiceID": "shop.products"}
    registry.consul.put("/v1/catalog/deregister", body)
    assert registry.has_node()

    (gone,) = await registry.converge([])
    assert gone.ref == Ref("node", registry.node)
    assert not registry.has_node()


async def test_an_empty_node_and_a_new_entry_meet(registry: Registry) -> None:
    await registry.converge([entry()])
    body = {"Node": registry.node, "ServiceID": "shop.products"}
    registry.consul.put("/v1/catalog/deregister", body)

    await registry.converge([entry("other")])
    assert list(registry.services()) == ["shop.other"]
    assert await registry.pending([entry("other")]) == []


async def test_deleting_what_is_gone_is_nothing(registry: Registry) -> None:
    await registry.converge([entry("one"), entry("two")])
    for _ in range(3):
        await registry.provider.delete(Ref("service", "shop.one"))
    assert list(registry.services()) == ["shop.two"]
    assert registry.has_node()


async def test_a_paused_owner_keeps_its_entry(registry: Registry) -> None:
    await registry.converge([entry("one"), entry("two")])
    await registry.converge([], paused={"uid-one"})
    assert list(registry.services()) == ["shop.one"]


async def test_a_restart_removes_nothing(registry: Registry) -> None:
    wishes = [entry(f"c{number}") for number in range(3)]
    await registry.converge(wishes)
    before = registry.services()
    await registry.provider.close()

    after = ConsulCatalog(
        registry.consul.url, node=registry.node, cluster="ours", token=registry.consul.token
    )
    try:
        again = Registry(after, registry.consul, registry.node)
        assert registry.services() == before
        assert await again.pending(wishes) == []
        assert registry.services() == before
    finally:
        await after.close()


async def test_what_others_have_stays_theirs(registry: Registry) -> None:
    other = f"{registry.node}-other"
    theirs = {"ID": "shop.products", "Service": "shop-products", "Address": "10.9.9.9", "Port": 1}
    consul = registry.consul
    consul.put("/v1/catalog/register", {"Node": other, "Address": "10.9.9.9", "Service": theirs})
    try:
        before = consul.get(f"/v1/catalog/node/{other}")
        await registry.converge([entry()])
        assert set(await registry.provider.survey()) == {Ref("service", "shop.products")}
        await registry.converge([])
        assert consul.get(f"/v1/catalog/node/{other}") == before
    finally:
        consul.put("/v1/catalog/deregister", {"Node": other})


async def test_what_somebody_put_under_our_node_stays_theirs(registry: Registry) -> None:
    await registry.converge([entry()])
    theirs = {"ID": "theirs", "Service": "theirs", "Address": "10.9.9.9", "Port": 1}
    body = {"Node": registry.node, "SkipNodeUpdate": True, "Service": theirs}
    registry.consul.put("/v1/catalog/register", body)

    assert set(await registry.provider.survey()) == {Ref("service", "shop.products")}
    await registry.converge([])
    assert list(registry.services()) == ["theirs"]
    assert await registry.pending([]) == []


@pytest.mark.parametrize(
    "marks",
    [
        {},
        {"external-node": "true", "external-probe": "false"},
        {
            "external-node": "true",
            "external-probe": "false",
            "managed-by": "vectorplane",
            "vectorplane-cluster": "another",
        },
    ],
    ids=["an agent's", "an external one", "another cluster's"],
)
async def test_a_node_that_is_not_ours_is_left_alone(
    registry: Registry, marks: dict[str, str]
) -> None:
    theirs = {"ID": "theirs", "Service": "theirs", "Meta": {"vectorplane-uid": "uid-theirs"}}
    body = {
        "Node": registry.node,
        "Address": "10.9.9.9",
        "NodeMeta": marks,
        "Service": theirs,
    }
    registry.consul.put("/v1/catalog/register", body)
    before = registry.consul.get(f"/v1/catalog/node/{registry.node}")
    ((ref, wanted),) = registry.wanted([entry()]).items()

    for attempt in (
        lambda: registry.provider.survey(),
        lambda: registry.provider.put(ref, wanted),
        lambda: registry.provider.delete(Ref("service", "theirs")),
    ):
        with pytest.raises(RegistryRejected, match="that this operator did not make"):
            await attempt()
    assert registry.consul.get(f"/v1/catalog/node/{registry.node}") == before


async def test_only_entries_are_of_this_place(registry: Registry) -> None:
    owner = entry().owner
    exposure = Exposure(owner, "/shop/products", "/api/v1/collections/shop.products", (), ())
    assert registry.provider.render(exposure) == {}
    assert registry.provider.render(Credential(owner, "name", {"id": "secret"})) == {}


async def test_many_entries_at_once_are_found_with_two_calls(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    wishes = [entry(f"c{number:03}") for number in range(150)]
    provider, slots = registry.provider, asyncio.Semaphore(8)

    async def carry_out(change: Change) -> None:
        async with slots:
            if isinstance(change, Put):
                await provider.put(change.ref, change.body)
            else:
                await provider.delete(change.ref)

    await asyncio.gather(*map(carry_out, await registry.pending(wishes)))
    assert len(registry.services()) == 150

    with caplog.at_level("INFO", "httpx"):
        assert await registry.pending(wishes) == []
    assert len(caplog.records) == 2

    await asyncio.gather(*map(carry_out, await registry.pending([])))
    assert not registry.has_node()


async def test_nothing_is_left_over_of_a_hundred_random_lives(registry: Registry) -> None:
    """Creations, edits, deletions, and a survey that sees each state that was left in between."""
    dice = random.Random(6)
    wishes: dict[str, Any] = {}
    for step in range(100):
        name = f"c{dice.randrange(12)}"
        if dice.random() < 0.4:
            wishes.pop(name, None)
        else:
            wishes[name] = entry(name, port=1 + step, passing=dice.random() < 0.5)
        pending = await registry.pending(wishes.values())
        for change in pending[: dice.randrange(len(pending) + 1)]:
            if isinstance(change, Put):
                await registry.provider.put(change.ref, change.body)
            else:
                await registry.provider.delete(change.ref)
        if step % 10 == 9:
            await registry.converge(wishes.values())
            assert set(registry.services()) == {it.id for it in wishes.values()}

    await registry.converge([])
    assert not registry.has_node()
    assert await registry.pending([]) == []
    assert registry.consul.get(f"/v1/health/node/{registry.node}") == []
