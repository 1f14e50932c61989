"""The rows of the plan's decision table, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vectorplane.domain.actions import (
    AddVector,
    ChangeAliases,
    CreateCollection,
    CreateIndex,
    DropCollection,
    DropIndex,
    UpdateCollection,
    WriteRecord,
)
from vectorplane.domain.model import (
    AdoptionPolicy,
    Capability,
    Collection,
    DeletionPolicy,
    Desired,
    Index,
    Key,
    Observed,
    Owner,
    Record,
    Rival,
)
from vectorplane.domain.plan import plan

SIZE, DISTANCE, M = ("vectors", "", "size"), ("vectors", "", "distance"), ("hnsw", "m")
DENSE = {SIZE: 4, DISTANCE: "Cosine"}
KEYWORD = Index("category", "Keyword")
WISH = Desired(
    key=Key("shop", "products"),
    uid="us",
    cluster="here",
    settings=DENSE,
    indexes={"category": KEYWORD},
    aliases=frozenset({"shop.live"}),
)
RECORD = Record(WISH.owner, 1, frozenset({"category"}), WISH.names)
ONE = Collection("shop.products_1", DENSE, {"category": KEYWORD}, RECORD)
THEIRS = replace(ONE, record=Record(Owner("them", "shop", "others", "here")))
FREE = replace(ONE, record=None)


def store(*collections: Collection, **changed: object) -> Observed:
    """A store whose aliases all point at its first collection."""
    aliases = dict.fromkeys(WISH.names, collections[0].name) if collections else {}
    observed = Observed({c.name: c for c in collections}, aliases)
    taken = frozenset(observed.collections)
    return replace(observed, **{"taken": taken, **changed})  # type: ignore[arg-type]


def test_nothing_there_makes_the_collection_with_its_record_and_shows_it_last() -> None:
    planned = plan(WISH, store())
    assert planned.actions == (
        CreateCollection("shop.products_1", DENSE, RECORD),
        CreateIndex("shop.products_1", KEYWORD),
        ChangeAliases({"shop.live": "shop.products_1", "shop.products": "shop.products_1"}),
    )
    assert planned.collection == "shop.products_1"
    assert planned.stalled is None


def test_as_declared_means_nothing_to_do() -> None:
    assert plan(WISH, store(ONE)).actions == ()


def test_made_but_not_shown_yet_is_taken_up_and_not_made_twice() -> None:
    planned = plan(WISH, store(ONE, aliases={}))
    assert planned.actions == (ChangeAliases(dict.fromkeys(sorted(WISH.names), ONE.name)),)


def test_a_setting_that_is_not_declared_is_never_compared() -> None:
    elsewhere = replace(ONE, settings=DENSE | {M: 99, ("onDiskPayload",): True})
    assert plan(WISH, store(elsewhere)).actions == ()


def test_a_mutable_difference_sends_just_what_differs() -> None:
    wish = replace(WISH, settings=DENSE | {M: 32, ("hnsw", "efConstruct"): 64})
    actual = replace(ONE, settings=DENSE | {M: 16, ("hnsw", "efConstruct"): 64})
    assert plan(wish, store(actual)).actions == (UpdateCollection(ONE.name, {M: 32}),)


def test_a_quantization_is_sent_whole() -> None:
    kind, quantile = ("quantization", "type"), ("quantization", "quantile")
    wish = replace(WISH, settings=DENSE | {kind: "Scalar", quantile: 0.9})
    actual = replace(ONE, settings=DENSE | {kind: "Scalar", quantile: 0.99})
    update = UpdateCollection(ONE.name, {kind: "Scalar", quantile: 0.9})
    assert plan(wish, store(actual)).actions == (update,)


def test_an_immutable_change_names_both_values_and_changes_nothing_else() -> None:
    wish = replace(WISH, settings={SIZE: 8, DISTANCE: "Cosine", M: 32}, aliases=frozenset())
    planned = plan(wish, store(ONE))
    assert planned.actions == ()
    assert planned.stalled is not None
    assert planned.stalled.reason == "ImmutableChange"
    assert 'vectors[""].size' in planned.stalled.message
    assert "from 4 to 8" in planned.stalled.message


def test_a_refused_change_still_keeps_the_name_pointing() -> None:
    wish = replace(WISH, settings={SIZE: 8, DISTANCE: "Cosine"})
    planned = plan(wish, store(ONE, aliases={}))
    assert planned.actions == (ChangeAliases({WISH.name: ONE.name}),)
    assert planned.stalled is not None


def test_a_new_vector_is_added_where_the_engine_can() -> None:
    new = {("vectors", "image", "size"): 8, ("vectors", "image", "distance"): "Dot"}
    wish = replace(WISH, settings=DENSE | new)
    assert plan(wish, store(ONE)).actions == (AddVector(ONE.name, "image", new),)
    cannot = store(ONE, capabilities=frozenset(Capability) - {Capability.ADD_VECTORS})
    stalled = plan(wish, cannot).stalled
    assert stalled is not None
    assert stalled.reason == "ImmutableChange"
    assert "'image'" in stalled.message


def test_a_new_index_is_recorded_before_it_is_made() -> None:
    price = Index("price", "Float")
    wish = replace(WISH, indexes={"category": KEYWORD, "price": price}, generation=2)
    final = replace(RECORD, generation=2, indexes=frozenset({"category", "price"}))
    planned = plan(wish, store(ONE))
    assert planned.actions == (WriteRecord(ONE.name, final), CreateIndex(ONE.name, price))


def test_an_index_of_ours_that_goes_is_forgotten_only_after_it_is_gone() -> None:
    wish = replace(WISH, indexes={})
    planned = plan(wish, store(ONE))
    final = replace(RECORD, indexes=frozenset())
    assert planned.actions == (DropIndex(ONE.name, "category"), WriteRecord(ONE.name, final))


def test_an_index_that_somebody_else_made_is_left_alone() -> None:
    theirs = Index("stock", "Integer")
    with_theirs = replace(ONE, indexes={"category": KEYWORD, "stock": theirs})
    assert plan(WISH, store(with_theirs)).actions == ()
    wish = replace(WISH, indexes={"category": KEYWORD, "stock": Index("stock", "Float")})
    planned = plan(wish, store(with_theirs))
    assert planned.actions == ()
    assert planned.stalled is not None
    assert planned.stalled.reason == "IndexConflict"


def test_an_index_of_ours_of_another_kind_is_made_again() -> None:
    wish = replace(WISH, indexes={"category": Index("category", "Text")})
    assert plan(wish, store(ONE)).actions == (
        DropIndex(ONE.name, "category"),
        CreateIndex(ONE.name, Index("category", "Text")),
    )


def test_a_further_alias_that_goes_is_dropped_and_one_of_somebody_else_is_not() -> None:
    wish = replace(WISH, aliases=frozenset())
    final = replace(RECORD, aliases=frozenset({WISH.name}))
    observed = store(ONE)
    observed = replace(observed, aliases={**observed.aliases, "shop.theirs": ONE.name})
    assert plan(wish, observed).actions == (
        ChangeAliases({}, frozenset({"shop.live"})),
        WriteRecord(ONE.name, final),
    )


def test_a_foreign_collection_is_not_touched_and_its_owner_is_named() -> None:
    planned = plan(WISH, store(THEIRS))
    assert planned.actions == ()
    assert planned.stalled is not None
    assert planned.stalled.reason == "NotOwned"
    assert "shop/others" in planned.stalled.message


def test_the_same_uid_of_another_cluster_is_foreign() -> None:
    elsewhere = replace(ONE, record=replace(RECORD, owner=replace(WISH.owner, cluster="there")))
    stalled = plan(WISH, store(elsewhere)).stalled
    assert stalled is not None
    assert stalled.reason == "NotOwned"


def test_nobodys_collection_is_taken_over_only_where_the_manifest_says_so() -> None:
    refused = plan(WISH, store(FREE))
    assert refused.actions == ()
    assert refused.stalled is not None
    assert "adoptionPolicy" in refused.stalled.message
    adopting = replace(WISH, adoption_policy=AdoptionPolicy.IF_UNOWNED)
    (write,) = plan(adopting, store(FREE)).actions
    assert isinstance(write, WriteRecord)
    assert write.record.owner == WISH.owner
    assert write.record.indexes == frozenset(), "an index that was there before is not ours to drop"


def test_a_collection_that_has_the_very_name_is_adopted_without_an_alias() -> None:
    plain = replace(FREE, name=WISH.name)
    adopting = replace(WISH, adoption_policy=AdoptionPolicy.IF_UNOWNED, aliases=frozenset())
    (write,) = plan(adopting, store(plain, aliases={})).actions
    assert isinstance(write, WriteRecord)
    assert plan(adopting, store(plain, aliases={})).collection == WISH.name


def test_an_alias_that_another_collection_has_is_a_conflict() -> None:
    observed = store(ONE, THEIRS)
    other = replace(THEIRS, name="shop.others_1")
    observed = replace(
        observed,
        collections={ONE.name: ONE, other.name: other},
        aliases={WISH.name: ONE.name, "shop.live": other.name},
    )
    planned = plan(WISH, observed)
    assert planned.actions == ()
    assert planned.stalled is not None
    assert "shop.live" in planned.stalled.message
    assert "shop/others" in planned.stalled.message


def test_an_alias_that_is_a_collections_name_is_a_conflict_before_anything_is_made() -> None:
    planned = plan(WISH, store(taken=frozenset({"shop.live"})))
    assert planned.actions == ()
    assert planned.stalled is not None
    assert planned.stalled.reason == "NotOwned"


def test_an_alias_whose_collection_is_gone_waits_for_the_next_look() -> None:
    planned = plan(WISH, store(aliases={WISH.name: "shop.products_1"}))
    assert planned.actions == ()
    assert planned.stalled is not None
    assert "gone" in planned.stalled.message


def test_the_loser_of_a_name_does_nothing_and_names_the_winner() -> None:
    loser = replace(WISH, rivals=(Rival("shop.live", Key("shop", "older")),))
    planned = plan(loser, store())
    assert planned.actions == ()
    assert planned.stalled is not None
    assert planned.stalled.reason == "ResourceConflict"
    assert "shop/older" in planned.stalled.message


def test_who_serves_a_name_keeps_it_and_the_older_one_is_told_by_the_store() -> None:
    """Else an edit of an older resource would take readers away, or block both for good."""
    rivals = (Rival("shop.live", Key("shop", "older")),)
    assert plan(replace(WISH, rivals=rivals), store(ONE)).stalled is None
    without = store(ONE, aliases={WISH.name: ONE.name})
    stalled = plan(replace(WISH, rivals=rivals), without).stalled
    assert stalled is not None
    assert stalled.reason == "ResourceConflict"


@pytest.mark.parametrize("deleting", [False, True])
def test_paused_does_nothing_at_all(deleting: bool) -> None:
    policy = DeletionPolicy.DELETE
    wish = replace(WISH, paused=True, deleting=deleting, deletion_policy=policy)
    assert plan(wish, store()).actions == ()
    assert plan(wish, store(ONE)).actions == ()


def test_retain_releases_the_record_and_leaves_data_and_names() -> None:
    planned = plan(replace(WISH, deleting=True), store(ONE))
    assert planned.actions == (WriteRecord(ONE.name, replace(RECORD, owner=None)),)


def test_delete_drops_all_that_is_ours_and_nothing_else() -> None:
    wish = replace(WISH, deleting=True, deletion_policy=DeletionPolicy.DELETE)
    old = replace(ONE, name="shop.products_2")
    other = replace(THEIRS, name="shop.products_3")
    free = replace(FREE, name="shop.products_4")
    planned = plan(wish, store(ONE, old, other, free))
    assert planned.actions == (DropCollection(ONE.name), DropCollection(old.name))


def test_what_the_engine_lacks_is_left_out_and_said() -> None:
    wish = replace(WISH, settings=DENSE | {("sharding", "number"): 2, ("strictMode", "enabled"): 1})
    planned = plan(wish, store(capabilities=frozenset()))
    create, aliases = planned.actions
    assert isinstance(create, CreateCollection)
    assert isinstance(aliases, ChangeAliases)
    assert create.settings == DENSE
    assert planned.lacking == ("payload indexes", "sharding", "strict mode")


def test_what_a_store_implies_is_no_difference() -> None:
    wish = replace(WISH, settings=DENSE | {("vectors", "", "datatype"): "Float32"})
    assert plan(wish, store(ONE)).actions == ()


def test_a_collection_whose_alias_was_removed_is_found_by_the_status() -> None:
    legacy = replace(ONE, name="legacy")
    wish = replace(WISH, hint="legacy")
    planned = plan(wish, store(legacy, aliases={}))
    assert planned.actions == (ChangeAliases(dict.fromkeys(sorted(WISH.names), "legacy")),)
