"""What requests and answers about keys look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from vectorplane_service.schemas import Input

KEY_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_A_CENTURY = 100 * 365 * 86400
_Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
_Word = Literal["read", "write", "admin"]


class KeyIn(Input):
    """A key to issue."""

    id: str = Field(pattern=KEY_ID, description="Its name in lists and logs.")
    permissions: list[_Word] = Field(min_length=1, max_length=3, description="admin is all.")
    collections: list[_Name] = Field(
        ["*"], min_length=1, max_length=256, description="Globs over the names of collections."
    )
    tenant: _Name | None = Field(
        None, description="The only tenant of a pool that it reaches, as `namespace.name`."
    )
    ttl: float | None = Field(
        None, gt=0, le=_A_CENTURY, description="Seconds until it ends; left out: it does not."
    )


class KeyInfo(BaseModel):
    """A key, without its secret. Times are seconds since 1970."""

    id: str
    permissions: list[_Word]
    collections: list[str]
    tenant: str | None
    created: float
    expires: float | None


class IssuedKey(KeyInfo):
    """A new key, with its secret: nobody can be told it again."""

    key: str


class KeyPage(BaseModel):
    """Some keys, and the cursor of the next page, null at the end."""

    keys: list[KeyInfo]
    next_cursor: str | None


class Revoked(BaseModel):
    """A key that is let in no more."""

    id: str
    status: Literal["revoked"]
