"""What the commands share: where the service is, and errors in words that say who must act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from vectorplane.errors import InvalidInput, Stalled, VectorplaneError, Waiting

if TYPE_CHECKING:
    from vectorplane.client import Client, ClientError, Retries

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Service:
    """The service that a command talks to."""

    url: str | None
    api_key: str | None
    api_version: str | None

    @contextmanager
    def client(self, retries: Retries | None = None) -> Iterator[Client]:
        """A client of it. Inside, the client's errors become ours."""
        from vectorplane.client import Client, ClientError

        try:
            with Client(
                self.url, api_key=self.api_key, api_version=self.api_version, retries=retries
            ) as client:
                yield client
        except ClientError as error:
            raise said(error) from error


def service_options(function: F) -> F:
    """`--url`, `--api-key` and `--api-version`, as one argument `service`."""

    @wraps(function)
    def with_service(
        *arguments: Any, url: str | None, api_key: str | None, api_version: str, **rest: Any
    ) -> Any:
        version = None if api_version.lower() == "none" else api_version
        return function(*arguments, service=Service(url, api_key, version), **rest)

    for option in (
        click.option(
            "--api-version",
            default="v1",
            show_default=True,
            envvar="VECTORPLANE_API_VERSION",
            help="Version in the paths; `none` where the service has it left out.",
        ),
        click.option(
            "--api-key",
            envvar="VECTORPLANE_API_KEY",
            show_envvar=True,
            help="Key of the service. Better in the variable: arguments can be seen by others.",
        ),
        click.option(
            "--url",
            envvar="VECTORPLANE_URL",
            show_envvar=True,
            help="The service; http://localhost:10200 where it is left out.",
        ),
    ):
        option(with_service)
    return cast(F, with_service)


def said(error: ClientError) -> VectorplaneError:
    """The client's error as a line that says who must act."""
    from vectorplane import client

    words = error.message
    match error:
        case client.Unauthenticated():
            return Stalled(f"{words} Give a key by VECTORPLANE_API_KEY or --api-key.")
        case client.Forbidden():
            return Stalled(f"{words} Whoever issued the key can issue one that may.")
        case client.ConnectionFailed():
            return Waiting(f"{words}. Is the service running there? See --url.")
        case client.RateLimited() | client.Unavailable():
            return Waiting(f"{words} Nothing is wrong with the call: try again later.")
        case client.ServiceFailed():
            return Stalled(f"{words} (request id {error.request_id or 'unknown'})")
        case _:
            return InvalidInput(words)


def json_option(what: str, text: str | None) -> Any:
    """JSON given as an option, or in a file as `@file`."""
    import orjson

    if text is None:
        return None
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"{path}: {_reason(error)}", param_hint=what) from None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint=what) from None


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
