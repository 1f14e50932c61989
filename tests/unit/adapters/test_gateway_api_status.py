"""What the status of our objects says, as controllers write it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vectorplane.adapters.gateway.gateway_api.programmed import why_not
from vectorplane.adapters.gateway.gateway_api.render import Place
from vectorplane.domain.exposure import Found, Ref

PLACE = Place("kong", "edge", "", "vectorplane-service", "system", 10200)
LISTENER = Place("kong", "edge", "https", "vectorplane-service", "system", 10200)
ROUTE = Ref("HTTPRoute", "shop/vp-products-read")
OURS = {"group": "gateway.networking.k8s.io", "name": "kong", "namespace": "edge"}
Json = dict[str, Any]


def condition(kind: str, status: str, seen: int | None = 2, message: str = "because") -> Json:
    generation = {} if seen is None else {"observedGeneration": seen}
    return {"type": kind, "status": status, "reason": "Why", "message": message, **generation}


def why(*parents: tuple[Json, list[Json]], place: Place = PLACE) -> str | None:
    status = {"parents": [{"parentRef": ref, "conditions": said} for ref, said in parents]}
    body = {"metadata": {"generation": 2}, "status": status}
    return why_not({ROUTE: Found(body, "uid")}, place)


@pytest.mark.parametrize(
    "conditions",
    [
        [condition("Accepted", "True")],
        [condition("Accepted", "True", seen=None)],
        [condition("Accepted", "True"), condition("ResolvedRefs", "Unknown")],
        [condition(kind, "True", seen=3) for kind in ("Programmed", "ResolvedRefs", "Accepted")],
    ],
)
def test_a_route_works(conditions: list[Json]) -> None:
    assert why((OURS, conditions)) is None


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ([], "not taken up by a Gateway controller yet"),
        ([condition("Programmed", "True")], "not taken up by a Gateway controller yet"),
        ([condition("Accepted", "False")], "the Gateway edge/kong has not accepted .*: because"),
        ([condition("Accepted", "Unknown", message="")], "has not accepted .*: Why"),
        (
            [condition("Accepted", "True"), condition("ResolvedRefs", "False")],
            "the Gateway edge/kong cannot resolve what is referred to by .*: because",
        ),
        (
            [condition("Accepted", "True"), condition("Programmed", "False")],
            "has not programmed HTTPRoute shop/vp-products-read: because",
        ),
        ([condition("Accepted", "True"), condition("Programmed", "Unknown")], "not programmed"),
        ([condition("Accepted", "True", seen=1)], "its last change is not taken up"),
        (
            [condition("Accepted", "True"), condition("Programmed", "True", seen=1)],
            "its last change is not taken up",
        ),
    ],
)
def test_a_route_does_not_work_and_the_reason_is_told(conditions: list[Json], said: str) -> None:
    assert re.search(said, str(why((OURS, conditions))))


def test_nothing_is_said_yet() -> None:
    assert "not taken up" in str(why())
    assert "not taken up" in str(why_not({ROUTE: Found({"metadata": {}})}, PLACE))


def test_only_what_is_said_of_our_gateway_counts() -> None:
    accepted = [condition("Accepted", "True")]
    for other in ({**OURS, "name": "other"}, {**OURS, "namespace": "shop"}):
        assert "not taken up" in str(why((other, accepted)))
    assert "not taken up" in str(why((OURS, accepted), place=LISTENER))
    assert why(({**OURS, "sectionName": "https"}, accepted), place=LISTENER) is None


def test_one_controller_that_took_it_up_is_enough() -> None:
    assert (
        why((OURS, [condition("Accepted", "False")]), (OURS, [condition("Accepted", "True")]))
        is None
    )


@pytest.mark.parametrize("kind", ["KongPlugin", "KongConsumer"])
def test_kong_says_it_of_its_own_kinds(kind: str) -> None:
    def said(*conditions: Json) -> str | None:
        body = {"metadata": {"generation": 2}, "status": {"conditions": list(conditions)}}
        return why_not({Ref(kind, "shop/it"): Found(body)}, PLACE)

    assert said() is None
    assert said(condition("Programmed", "True")) is None
    assert "not taken up" in str(said(condition("Programmed", "Unknown")))
    assert "not taken up" in str(said(condition("Programmed", "False", seen=1)))
    assert (
        said(condition("Programmed", "False")) == f"Kong has not programmed {kind} shop/it: because"
    )


def test_secrets_and_grants_have_no_status() -> None:
    refs = {Ref(kind, "shop/it"): Found({"metadata": {}}) for kind in ("Secret", "ReferenceGrant")}
    assert why_not(refs, PLACE) is None
