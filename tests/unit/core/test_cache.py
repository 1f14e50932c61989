from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from vectorplane.cache import ResourceCache
from vectorplane.desired import claim_of
from vectorplane.domain.model import Key
from vectorplane.domain.policy import rivals
from vectorplane.ports.resources import Resource


def resource(name: str, created: int, *aliases: str, namespace: str = "shop") -> Resource:
    key = Key(namespace, name)
    spec = {"vectors": [{"size": 4, "distance": "Dot"}], "aliases": list(aliases)}
    return Resource(key, f"uid-{name}", 1, f"2026-01-{created:02}T00:00:00Z", spec)


OLD, YOUNG = resource("old", 1, "live"), resource("young", 2, "live")


def test_the_oldest_wins_whatever_came_first() -> None:
    for order in ([OLD, YOUNG], [YOUNG, OLD]):
        cache = ResourceCache()
        for one in order:
            cache.put(one)
        assert cache.rivals(OLD.key) == ()
        (rival,) = cache.rivals(YOUNG.key)
        assert (rival.claim, rival.key) == ("shop.live", OLD.key)


def test_a_name_can_meet_an_alias() -> None:
    cache = ResourceCache()
    cache.put(resource("products", 2))
    cache.put(resource("older", 1, "products"))
    (rival,) = cache.rivals(Key("shop", "products"))
    assert rival.claim == "shop.products"


def test_namespaces_do_not_meet() -> None:
    cache = ResourceCache()
    cache.put(OLD)
    cache.put(resource("young", 2, "live", namespace="other"))
    assert cache.rivals(Key("other", "young")) == ()


def test_who_is_concerned_is_told() -> None:
    cache = ResourceCache()
    assert cache.put(OLD) == set()
    assert cache.put(YOUNG) == {OLD.key}
    assert cache.put(replace(YOUNG, status={"a": 1})) == set(), "no claim changed"
    assert cache.put(resource("old", 1)) == {YOUNG.key}, "it set the name free"
    assert cache.rivals(YOUNG.key) == ()
    assert cache.put(OLD) == {YOUNG.key}
    assert cache.remove(OLD.key) == {YOUNG.key}
    assert cache.rivals(YOUNG.key) == ()
    assert len(cache) == 1
    assert cache.remove(OLD.key) == set()
    assert cache.rivals(OLD.key) == ()


steps = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(1, 28),
        st.sets(st.sampled_from(["live", "next", "a", "b"])),
        st.booleans(),
    ),
    max_size=20,
)


@given(steps)
def test_the_index_says_what_a_look_at_all_would_say(
    history: list[tuple[str, int, set[str], bool]],
) -> None:
    cache = ResourceCache()
    for name, created, aliases, gone in history:
        if gone:
            cache.remove(Key("shop", name))
        else:
            cache.put(resource(name, created, *aliases))
    claims = {r.key: claim_of(r) for r in cache.all()}
    for key, claim in claims.items():
        assert set(cache.rivals(key)) == set(rivals(claim, claims.values()))
