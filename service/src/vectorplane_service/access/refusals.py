"""Errors of access that more than one of its parts raises."""

from __future__ import annotations

from vectorplane.errors import Stalled, Unauthenticated, Waiting


class CannotVerify(Waiting):
    """What a key is verified with was never read, so nobody can say what the key is."""

    reason = "CannotVerify"


class IssuerUnreachable(CannotVerify):
    """The keys of the OpenID Connect issuer were never read."""

    reason = "IssuerUnreachable"


class KeysUnreadable(Stalled):
    """The file of keys holds something else, or cannot be read or written."""

    reason = "KeysUnreadable"


def missing() -> Unauthenticated:
    return Unauthenticated("send a key as X-API-Key, or as Authorization: Bearer", why="missing")


def unknown() -> Unauthenticated:
    return Unauthenticated("this key is not known", why="unknown")
