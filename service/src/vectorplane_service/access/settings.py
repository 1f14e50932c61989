"""The settings that say who may call. They are a part of `ServiceSettings`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, InstanceOf, field_validator, model_validator
from pydantic_settings import NoDecode

from vectorplane.settings import EnvSettings, SettingsError
from vectorplane_service.access.keys import ApiKey, parse_keys
from vectorplane_service.access.own import any_in
from vectorplane_service.access.refusals import KeysUnreadable

NO_KEYS = (
    "API_KEYS: there is no key, so nobody could call. Set API_KEYS=id:secret:read+write, "
    "ACCESS_PUBLIC_KEYS or OIDC_ISSUER, or AUTH_ENABLED=false to let everybody in."
)


class AccessSettings(EnvSettings):
    auth_enabled: bool = Field(
        True, description="false lets everybody do everything, and is said loudly at start."
    )
    api_keys: Annotated[tuple[InstanceOf[ApiKey], ...], NoDecode, BeforeValidator(parse_keys)] = (
        Field(
            (),
            description=(
                "Keys: id:secret:permissions[:collections], separated by commas; permissions are "
                "read, write, admin joined by +, collections are globs joined by |. Or JSON: "
                '[{"id":"demo","key":"...","permissions":["read","write"],"collections":["shop.*"]}]'
            ),
        )
    )
    keys_file: str | None = Field(
        None,
        description=(
            "File where this service keeps the keys that it gives out itself (POST /keys), by "
            "their hash. Not set: it gives out none."
        ),
    )
    access_public_keys: str | None = Field(
        None,
        description=(
            "File or folder with the public keys of signed keys: JWKS or PEM, Ed25519 or P-256. "
            "Read again when it changes."
        ),
    )
    access_denied_ids: str | None = Field(
        None,
        description=(
            "File with the ids of keys that are let in no more, one a line; oidc:NAME for tokens "
            "of OIDC_ISSUER. Read again when it changes."
        ),
    )
    access_audience: str = Field(
        "vectorplane", min_length=1, description="Whom signed keys must be for (their aud)."
    )
    access_clock_skew_seconds: float = Field(
        30.0, ge=0, le=600, description="What the clocks of those who sign tokens may differ by."
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect issuer whose tokens are taken, as its tokens say it."
    )
    oidc_audience: str | None = Field(
        None, description="Whom its tokens must be for (their aud); needed with OIDC_ISSUER."
    )
    oidc_jwks_url: str | None = Field(
        None, description="Where its keys are. Not set: where its discovery document says."
    )
    oidc_tls_ca: str | None = Field(
        None, description="File with the certificate authority of its certificate."
    )
    oidc_jwks_seconds: float = Field(
        600.0, ge=1, description="Its keys are fetched again every so many seconds."
    )
    oidc_refetch_seconds: float = Field(
        30.0, ge=1, description="A key that is not known makes it so at most so often."
    )
    oidc_id_claim: str = Field("sub", description="Claim that says who it is.")
    oidc_permissions_claim: str = Field(
        "permissions",
        description=(
            "Claim with read, write, admin: a list, or words with spaces between; others are "
            "skipped. a.b is b within a."
        ),
    )
    oidc_permissions_prefix: str = Field(
        "", description='What a permission begins with there, such as "vectorplane:".'
    )
    oidc_collections_claim: str | None = Field(
        None, description="Claim with the collections, as globs. Not set: all of them."
    )
    oidc_tenant_claim: str | None = Field(
        None, description="Claim with the tenant that a token is bound to. Not set: bound to none."
    )

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("an address such as https://login.example.com, no user in it")
        return value

    @model_validator(mode="after")
    def _audience(self) -> Self:
        if self.oidc_issuer is not None and self.oidc_audience is None:
            raise ValueError("OIDC_AUDIENCE: say it, or every token of OIDC_ISSUER would do")
        return self

    @property
    def has_access(self) -> bool:
        """Somebody could call: there are keys, or others who vouch for callers."""
        return bool(self.api_keys or self.access_public_keys or self.oidc_issuer)

    def check_access(self) -> None:
        """Raises `SettingsError` where nobody could call, or an issuer not be reached."""
        if self.oidc_issuer is not None:
            self.oidc_trust()
        if not self.auth_enabled or self.has_access:
            return
        try:
            if self.keys_file is not None and any_in(Path(self.keys_file)):
                return
        except KeysUnreadable as error:
            raise SettingsError(f"KEYS_FILE: {error.message}") from None
        raise SettingsError(NO_KEYS)

    def oidc_trust(self) -> ssl.SSLContext | bool:
        """What the issuer's certificate is checked against. Raises `SettingsError`."""
        file = self.oidc_tls_ca
        if file is None:
            return True
        try:
            return ssl.create_default_context(cafile=file)
        except OSError as error:
            raise SettingsError(f"OIDC_TLS_CA: {file}: {error.strerror or error}") from None
