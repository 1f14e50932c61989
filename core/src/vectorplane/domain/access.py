"""Which keys there are, and which key signs them: two decisions, both pure.

A key is a signed token, so nobody can take it back: it is revoked by naming its id until it would
have ended by itself. Therefore each id is recorded before its key is written anywhere, and what is
recorded is known to be valid, ended or revoked, whoever was killed in between.

All times are seconds since 1970, all durations seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

RENEW = 1 / 3
"""The share of its time that a key has left when another one is made."""
LEEWAY = 900.0
"""What clocks may differ by: an id is named as revoked for so much longer than its key lasts."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key that was made, without its secret. `collection` is the name that clients use."""

    id: str
    signed_by: str
    issued: float
    expires: float
    collection: str
    permissions: frozenset[str]
    written: bool = True
    """False as long as nobody noted that it stands in the Secret. It may, and need not."""


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a key shall be good for, and for how long."""

    collection: str
    permissions: frozenset[str]
    ttl: float


@dataclass(frozen=True, slots=True)
class Signers:
    """The signing keys by id: the one that signs, and all whose signatures count."""

    active: str
    valid: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What to do: make another key, let these be valid, revoke those."""

    issue: bool = False
    keep: tuple[KeyRecord, ...] = ()
    revoke: tuple[KeyRecord, ...] = ()


def plan_keys(
    wish: KeyWish | None,
    records: Iterable[KeyRecord],
    signers: Signers,
    held: Collection[str],
    now: float,
) -> KeyPlan:
    """What becomes of the keys of one resource. Records of one second come in the order in which
    their keys were made; the plan's keys are oldest first. `held` are the ids whose keys really
    stand in its Secret; without a `wish` (its collection is not there) it has none.

    Each key that was made, the first line that fits:

        | the key                                              | then                          |
        | ---------------------------------------------------- | ----------------------------- |
        | has ended                                            | forgotten                     |
        | is wanted no more: no wish                           | revoked                       |
        | is for another collection, or permits something else | revoked                       |
        | was written, and is not in the Secret (any more)     | revoked                       |
        | is signed by a key whose signatures do not count     | revoked                       |
        | is none of these                                     | valid, until it ends          |

    So one that was cut off before it was written is written later, and not made again and again.
    Another key is made, of a wish, by the newest of those that stay valid:

        | the newest                                           | another one                   |
        | ---------------------------------------------------- | ----------------------------- |
        | there is none                                        | yes                           |
        | is not signed by the key that signs now              | yes                           |
        | lasts otherwise than is wished                       | yes                           |
        | has a third of its time left, or less                | yes                           |
        | is none of these                                     | no                            |
    """
    keep: list[KeyRecord] = []
    revoke: list[KeyRecord] = []
    for key in _by_age(records):
        if now >= key.expires:
            continue
        good = (
            wish is not None
            and (key.collection, key.permissions) == (wish.collection, wish.permissions)
            and (key.id in held or not key.written)
            and key.signed_by in signers.valid
        )
        (keep if good else revoke).append(key)
    newest = keep[-1] if keep else None
    fresh = (
        newest is not None
        and wish is not None
        and newest.signed_by == signers.active
        and newest.expires - newest.issued == wish.ttl
        and now < renewal(newest)
    )
    return KeyPlan(wish is not None and not fresh, tuple(keep), tuple(revoke))


def renewal(key: KeyRecord) -> float:
    """When another one is made of it."""
    return key.expires - (key.expires - key.issued) * RENEW


def next_look(keys: Collection[KeyRecord], now: float) -> float | None:
    """Seconds until something falls due for these valid keys by itself."""
    if not keys:
        return None
    newest = _by_age(keys)[-1]
    return max(0.0, min(renewal(newest), *(key.expires for key in keys)) - now)


def _by_age(keys: Iterable[KeyRecord]) -> list[KeyRecord]:
    """Ids are random: of two keys of one second only their order says which is newer."""
    return sorted(keys, key=lambda key: key.issued)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key. `published` is when its public half could be read by others; None before."""

    id: str
    created: float
    published: float | None = None


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """What to do about the signing keys. `active` signs; None where no key may sign yet."""

    active: str | None = None
    make: bool = False
    retire: frozenset[str] = frozenset()
    """What these signed is revoked now."""
    drop: frozenset[str] = frozenset()
    """These go, with their public halves."""
    after: float = 0.0
    """Seconds until something falls due by itself."""


def plan_signing(
    keys: Collection[SigningKey],
    in_use: Collection[str],
    now: float,
    *,
    period: float,
    publish: float,
) -> SigningPlan:
    """What becomes of the signing keys. `in_use` are those that something valid is signed by.

    The active one is the newest that has been published for `publish` seconds; where none has, the
    first that was published: of a single key there is nobody who knows another one.

        | the keys                                             | then                          |
        | ---------------------------------------------------- | ----------------------------- |
        | there is none                                        | make one                      |
        | one is not published                                 | it signs nothing              |
        | one is newer than the active one                     | it stays, and its turn comes  |
        | one is older than the active one, and not in use     | drop it                       |
        | the newest is active, and a `period` old; no other   | make one                      |
        | the same, but an older one is in use                 | retire that one, make later   |

    So there are at most two, and a key that lasts for years holds up nothing: it was replaced a
    whole period ago.
    """
    ordered = sorted(keys, key=lambda key: (key.created, key.id))
    if not ordered:
        return SigningPlan(make=True)
    known = [(key.published, key.id) for key in ordered if key.published is not None]
    if not known:
        return SigningPlan()
    ripe = [id for since, id in known if since + publish <= now]
    active = ripe[-1] if ripe else min(known)[1]
    newest = ordered[-1]
    place = [key.id for key in ordered].index(active)
    older = {key.id for key in ordered[:place]}
    drop = older - set(in_use)
    due = newest.id == active and newest.created + period <= now
    after = newest.created + period if newest.id == active else (newest.published or now) + publish
    return SigningPlan(
        active,
        make=due and older == drop,
        retire=frozenset(older - drop) if due else frozenset(),
        drop=frozenset(drop),
        after=max(0.0, after - now),
    )
