"""The Gateway API's objects in a real control plane, written by an account that may do just what
the operator needs for it. The test plays the controllers: it writes what they say.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster, Json, wait
from support.controlplane import ControlPlane, bare_controlplane
from support.gateway_corner import SECRET, Corner
from support.gateway_crds import (
    GATEWAY,
    GATEWAY_NAMESPACE,
    RULES,
    account,
    api_of,
    install,
    provider,
)
from vectorplane.adapters.gateway.gateway_api import CrdsMissing, GatewayApi, NotOurs, ObjectRefused
from vectorplane.adapters.gateway.gateway_api.kinds import ROUTE
from vectorplane.domain.exposure import (
    Body,
    Exposure,
    Owner,
    RateLimit,
    Ref,
)
from vectorplane.domain.model import Key
from vectorplane.errors import ApiUnavailable
from vectorplane_operator.kube import Api
from vectorplane_operator.kube_objects import KubeObjects

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def crds(plane: ControlPlane) -> ControlPlane:
    install(plane.cluster)
    return plane


@pytest.fixture(scope="module")
def namespaces(crds: ControlPlane) -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    for name in made:
        crds.cluster.delete("Namespace", name)


@pytest.fixture(scope="module")
def kubeconfig(
    crds: ControlPlane, namespaces: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The platform's namespace, and our account in it."""
    system = _namespace(crds.cluster, "system", namespaces)
    folder = tmp_path_factory.mktemp("gateway")
    return system, account(crds.cluster, crds.kubeconfig, folder, system, RULES)


@pytest.fixture
async def api(kubeconfig: tuple[str, Path]) -> AsyncIterator[Api]:
    made = await api_of(kubeconfig[1])
    yield made
    await made.close()


@pytest.fixture
async def corner(
    crds: ControlPlane,
    namespaces: list[str],
    kubeconfig: tuple[str, Path],
    api: Api,
    tmp_path: Path,
) -> AsyncIterator[Corner]:
    system = kubeconfig[0]
    made = _namespace(crds.cluster, "shop", namespaces)
    it = Corner(crds.cluster, made, system, provider(api, system), crds, tmp_path)
    yield it
    await it.publish()


def _namespace(cluster: Cluster, name: str, made: list[str]) -> str:
    name = f"{name}-{secrets.token_hex(4)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    made.append(name)
    return name


async def test_what_is_put_is_found_and_nothing_is_left_to_do(corner: Corner) -> None:
    wishes = (corner.way(corner.collection()), corner.credential())
    done = await corner.publish(*wishes)
    assert len(done) == len(corner.wanted(*wishes)) == 15
    assert await corner.todo(*wishes) == []
    found = await corner.found()
    assert {f.uid for f in found.values()} == {wish.owner.uid for wish in wishes}
    grant = next(ref for ref in found if ref.kind == "ReferenceGrant")
    assert grant.id.startswith(f"{corner.system}/")


async def test_the_service_as_a_whole_has_no_owner_and_needs_no_grant(corner: Corner) -> None:
    owner = Owner("Service", Key("", "vectorplane"), "cluster-1")
    whole = Exposure(owner, "/api/v1", "/api/v1", ("all",), ("all",))
    await corner.publish(whole)
    found = await corner.found()
    assert {ref.kind for ref in found} == {"KongPlugin", "HTTPRoute"}
    assert all(ref.id.startswith(f"{corner.system}/vps-") for ref in found)
    assert await corner.todo(whole) == []


async def test_what_others_change_is_changed_back(corner: Corner) -> None:
    way, credential = corner.way(corner.collection()), corner.credential()
    await corner.publish(way, credential)
    cluster, place = corner.cluster, corner.namespace
    (key,) = [s for s in cluster.all("Secret", place) if s["metadata"]["name"].endswith("-key")]

    def merge(kind: str, name: str, **patch: Any) -> None:
        cluster.merge(kind, name, place, patch)

    merge("HTTPRoute", "vp-products-read", spec={"rules": [{}]})
    merge("KongPlugin", "vp-products-auth", config={"key_names": ["other"]})
    merge("KongPlugin", "vp-products-writers", disabled=True)
    merge("KongPlugin", "vp-products-cors", config={"origins": ["*"]})
    merge("KongConsumer", "vpa-app-consumer", credentials=["theirs"])
    merge("Secret", key["metadata"]["name"], data={"key": "dGhlaXJz"})
    note = {"konghq.com/plugins": ""}
    merge("HTTPRoute", "vp-products-write", metadata={"annotations": note})
    cluster.delete("KongPlugin", "vp-products-readers", place)
    assert sorted(await corner.publish(way, credential)) == sorted(
        f"put {kind} {place}/{name}"
        for kind, name in (
            ("HTTPRoute", "vp-products-read"),
            ("HTTPRoute", "vp-products-write"),
            ("KongConsumer", "vpa-app-consumer"),
            ("KongPlugin", "vp-products-auth"),
            ("KongPlugin", "vp-products-cors"),
            ("KongPlugin", "vp-products-readers"),
            ("KongPlugin", "vp-products-writers"),
            ("Secret", key["metadata"]["name"]),
        )
    )
    assert await corner.todo(way, credential) == []


async def test_what_others_add_to_a_list_of_ours_goes(corner: Corner) -> None:
    credential = corner.credential()
    await corner.publish(credential)
    (body,) = corner.cluster.all("KongConsumer", corner.namespace)
    # With an apply of their own: each manager keeps its elements of such a list.
    theirs = {k: body[k] for k in ("apiVersion", "kind")}
    meta = {"name": body["metadata"]["name"], "namespace": corner.namespace}
    corner.cluster.apply(
        {**theirs, "metadata": meta, "username": body["username"], "credentials": ["x"]}
    )
    assert await corner.publish(credential) == [
        f"put KongConsumer {corner.namespace}/vpa-app-consumer"
    ]
    (after,) = corner.cluster.all("KongConsumer", corner.namespace)
    assert after["credentials"] == body["credentials"]
    assert await corner.todo(credential) == []


async def test_what_is_not_wanted_any_more_goes_field_by_field(corner: Corner) -> None:
    way = corner.way(corner.collection())
    await corner.publish(way)
    hourly = replace(way, rate_limit=RateLimit(5, "hour"), origins=())
    done = await corner.publish(hourly)
    assert f"delete KongPlugin {corner.namespace}/vp-products-cors" in done
    rate = corner.cluster.get("KongPlugin", "vp-products-rate", corner.namespace) or {}
    assert "minute" not in rate["config"]
    assert rate["config"]["hour"] == 5
    assert await corner.todo(hourly) == []
    assert all(done.startswith("delete ") for done in await corner.publish())
    assert await corner.found() == {}


async def test_a_key_that_ends_goes_at_once(corner: Corner) -> None:
    credential = corner.credential()
    both = replace(credential, keys={"one": SECRET, "two": "b"})
    await corner.publish(both)
    await corner.publish(credential)
    (consumer,) = corner.cluster.all("KongConsumer", corner.namespace)
    there = [s["metadata"]["name"] for s in corner.cluster.all("Secret", corner.namespace)]
    assert sorted(consumer["credentials"]) == sorted(there)
    assert len(there) == 3


async def test_others_objects_are_not_seen_and_not_taken(corner: Corner) -> None:
    way = corner.way(corner.collection())
    (ref, body), *_ = [(r, b) for r, b in corner.wanted(way).items() if r.kind == "HTTPRoute"]
    meta = {"name": ref.id.partition("/")[2], "namespace": corner.namespace}
    theirs = {"apiVersion": ROUTE.api_version, "kind": "HTTPRoute", "metadata": meta}
    made = corner.cluster.apply({**theirs, "spec": {"hostnames": ["their.example"]}})
    # An application's Secret has our labels, and is none of the gateway's.
    labels = body["metadata"]["labels"]
    app = {"name": "app", "namespace": corner.namespace, "labels": labels}
    corner.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": app})

    assert await corner.found() == {}
    with pytest.raises(NotOurs, match=f"HTTPRoute {ref.id} was made by somebody else"):
        await corner.gateway.put(ref, body)
    after = corner.cluster.get("HTTPRoute", meta["name"], corner.namespace)
    assert after == made
    corner.cluster.delete("HTTPRoute", meta["name"], corner.namespace)
    assert await corner.publish(way)


async def test_ours_without_its_labels_is_ours(corner: Corner) -> None:
    way = corner.way(corner.collection())
    await corner.publish(way)
    gone = {"labels": {"vectorplane.dev/uid": None, "app.kubernetes.io/managed-by": None}}
    corner.cluster.merge("HTTPRoute", "vp-products-read", corner.namespace, {"metadata": gone})
    assert await corner.publish(way) == [f"put HTTPRoute {corner.namespace}/vp-products-read"]
    assert await corner.todo(way) == []


async def test_objects_go_with_their_owner(corner: Corner) -> None:
    if not corner.plane.controllers:
        pytest.skip("this control plane has no garbage collector")
    owner = corner.collection()
    await corner.publish(corner.way(owner))
    corner.cluster.delete("VectorCollection", "products", corner.namespace)

    def gone() -> bool:
        kinds = ("HTTPRoute", "KongPlugin")
        return not any(corner.cluster.all(kind, corner.namespace) for kind in kinds)

    # The garbage collector looks for new kinds of objects every half minute.
    wait(gone, "the objects go with their owner", seconds=120, every=0.2)
    assert {ref.kind for ref in await corner.found()} == {"ReferenceGrant"}
    assert len(await corner.publish()) == 1


async def test_what_the_controller_says_of_a_route_is_read(corner: Corner) -> None:
    way = corner.way(corner.collection())
    await corner.publish(way)
    # Kong's own kinds say that nobody looked at them yet, until their controller does.
    assert "not taken up" in str(await corner.why(way))
    programmed = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    for plugin in corner.cluster.all("KongPlugin", corner.namespace):
        said = {"conditions": [programmed]}
        corner.cluster.merge_status(
            "KongPlugin", plugin["metadata"]["name"], corner.namespace, said
        )
    read = f"HTTPRoute {corner.namespace}/vp-products-read"
    assert await corner.why(way) == f"{read}: not taken up by a Gateway controller yet"
    corner.say("vp-products-read", ("Accepted", "True", ""), ("ResolvedRefs", "True", ""))
    corner.say("vp-products-write", ("Accepted", "False", "no listener takes it"))
    write = f"HTTPRoute {corner.namespace}/vp-products-write"
    assert await corner.why(way) == (
        f"the Gateway {GATEWAY_NAMESPACE}/{GATEWAY} has not accepted {write}: no listener takes it"
    )
    corner.say("vp-products-write", ("Accepted", "True", ""), ("Programmed", "True", ""))
    assert await corner.why(way) is None
    assert await corner.todo(way) == []

    moved = replace(way, path=f"/{corner.namespace}/elsewhere")
    await corner.publish(moved)
    assert (
        await corner.why(moved)
        == f"{read}: its last change is not taken up by a Gateway controller yet"
    )


async def test_who_may_not_is_told_what_is_missing(corner: Corner) -> None:
    body = corner.wanted(corner.way(corner.collection()))
    (ref,) = [r for r in body if r.id.endswith("-auth")]
    async with corner.somebody([]) as nobody:
        with pytest.raises(ApiUnavailable, match='cannot list resource "kongplugins"'):
            await nobody.survey()
        with pytest.raises(ObjectRefused, match='cannot get resource "kongplugins"'):
            await nobody.put(ref, body[ref])
        with pytest.raises(ObjectRefused, match='cannot delete resource "kongplugins"'):
            await nobody.delete(ref)


@pytest.mark.parametrize("verb", ["get", "list", "create", "patch", "delete"])
async def test_each_right_is_needed(corner: Corner, verb: str) -> None:
    rules = [{**rule, "verbs": [v for v in rule["verbs"] if v != verb]} for rule in RULES]
    ref, body = next(iter(corner.wanted(corner.way(corner.collection())).items()))
    async with corner.somebody(rules) as account:
        with pytest.raises((ApiUnavailable, ObjectRefused), match=f'cannot {verb} resource "kong'):
            await _do_all(account, ref, body)


async def _do_all(gateway: GatewayApi, ref: Ref, body: Body) -> None:
    await gateway.survey()
    await gateway.put(ref, body)
    await gateway.put(ref, body)
    await gateway.delete(ref)


async def test_a_namespace_that_is_gone_concerns_its_objects_alone(corner: Corner) -> None:
    owner = Owner("VectorCollection", Key("is-not-there", "products"), "uid")
    ref, body = next(iter(corner.wanted(corner.way(owner)).items()))
    with pytest.raises(ObjectRefused, match="namespace"):
        await corner.gateway.put(ref, body)


async def test_what_the_cluster_refuses_is_told_without_the_key(corner: Corner) -> None:
    wanted = corner.wanted(corner.credential(), corner.way(corner.collection()))
    ref, secret = next((r, b) for r, b in wanted.items() if r.kind == "Secret")
    await corner.gateway.put(ref, secret)
    with pytest.raises(ObjectRefused) as refused:
        await corner.gateway.put(ref, {**secret, "type": SECRET})
    assert SECRET not in f"{refused.value} {refused.value.__cause__}"
    ref, route = next((r, b) for r, b in wanted.items() if r.kind == "HTTPRoute")
    wrong = {**route, "spec": {"rules": [{"matches": [{"method": "NONE"}]}]}}
    with pytest.raises(ObjectRefused, match="method"):
        await corner.gateway.put(ref, wrong)


async def test_a_survey_reads_pages_and_no_single_object(
    corner: Corner, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await corner.publish(*(corner.way(corner.collection(f"c{n}")) for n in range(3)))
    asked: list[tuple[str, str]] = []
    request = api._request

    async def counted(method: str, path: str, *rest: Any, **more: Any) -> Json:
        asked.append((method, path.rpartition("/")[2]))
        return await request(method, path, *rest, **more)

    monkeypatch.setattr(api, "_request", counted)
    assert len(await corner.gateway.survey()) >= 33
    plurals = ["kongplugins", "referencegrants", "secrets", "kongconsumers", "httproutes"]
    assert asked == [("GET", plural) for plural in plurals]
    asked.clear()
    pages = [p async for p in KubeObjects(api).pages(ROUTE, corner.namespace, ROUTE.selector)]
    assert [len(page) for page in pages] == [6]


async def test_without_the_crds_it_says_what_to_install(tmp_path: Path) -> None:
    with bare_controlplane(tmp_path) as kubeconfig:
        api = await api_of(kubeconfig)
        gateway = provider(api, "default")
        owner = Owner("VectorCollection", Key("default", "products"), "uid")
        way = Exposure(owner, "/a", "/b", ("r",), ("w",))
        for call in (gateway.survey(), gateway.put(*next(iter(gateway.render(way).items())))):
            with pytest.raises(CrdsMissing, match="no KongPlugin .* install the CRDs of Kong's"):
                await call
        await api.close()
