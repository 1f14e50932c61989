"""Where a serving process is put together: settings from the environment, Qdrant behind, the API in
front.

    gunicorn -c python:vectorplane_service.gunicorn_conf vectorplane_service.main:app
    uvicorn vectorplane_service.main:app

`app` is made when it is asked for: importing this module does nothing.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from vectorplane.settings import SettingsError
from vectorplane_service import logs
from vectorplane_service.app import create_app
from vectorplane_service.console.planning import Comparison
from vectorplane_service.discovery.opening import registered
from vectorplane_service.settings import ServiceSettings

if TYPE_CHECKING:
    from vectorplane_service.local.targets import Target

COMPARED = (
    "Compared with what this service's Qdrant holds now, as if each manifest's store were this one."
    " Resources in Kubernetes, and what a VectorStore allows, were not looked at:"
    " `kubectl vectorplane plan -f FILE` looks at both."
)
_APP_LOAD_ERROR = 4
"""gunicorn's own exit status for it: any other, and it would start the worker again for ever."""


def application(settings: ServiceSettings) -> FastAPI:
    """The service over the Qdrant server that the settings name."""
    from vectorplane.adapters.embeddings.wordllama import WordLlamaEmbedder
    from vectorplane.adapters.vectors.qdrant_server.points import QdrantPoints

    verify = trust(settings)

    async def connect() -> QdrantPoints:
        key = settings.qdrant_api_key
        return QdrantPoints(
            settings.qdrant_url,
            api_key=None if key is None else key.get_secret_value(),
            grpc_port=settings.qdrant_grpc_port,
            timeout=settings.qdrant_timeout_seconds,
            verify=verify,
        )

    return create_app(
        settings,
        points=connect,
        embedders={("local", "wordllama"): WordLlamaEmbedder},
        alongside=partial(registered, settings) if _alone() else nullcontext,
        comparison=Comparison(partial(_planned_against, settings, verify), COMPARED),
    )


@asynccontextmanager
async def _planned_against(settings: ServiceSettings, verify: str | bool) -> AsyncIterator[Target]:
    """Qdrant, for one plan in the console: whose a collection is, its record there says."""
    from vectorplane.adapters.vectors.qdrant_server.admin import QdrantAdmin
    from vectorplane_service.local.targets import Target

    key = settings.qdrant_api_key
    admin = QdrantAdmin(
        settings.qdrant_url,
        api_key=None if key is None else key.get_secret_value(),
        timeout=settings.qdrant_timeout_seconds,
        verify=verify,
    )
    try:
        yield Target(admin, (), None)
    finally:
        await admin.close()


def _alone() -> bool:
    """Whether this process is the whole service. A gunicorn's master registers for its workers."""
    return "gunicorn" not in os.environ.get("SERVER_SOFTWARE", "")


def trust(settings: ServiceSettings) -> str | bool:
    """What Qdrant's certificate is checked against: a file, the system's, or nothing."""
    file = settings.qdrant_tls_ca
    if file is None or not settings.qdrant_tls_verify:
        return settings.qdrant_tls_verify
    try:
        # Looked at now: at the first request it would be an error without a name.
        ssl.create_default_context(cafile=file)
    except OSError as error:
        raise SettingsError(f"QDRANT_TLS_CA: {file}: {error.strerror or error}") from None
    return file


@lru_cache(maxsize=1)
def _app() -> FastAPI:
    try:
        settings = ServiceSettings.load()
        settings.check_access()
        settings.check_consul()
        logs.configure(settings.log_level, settings.log_format)
        return application(settings)
    except SettingsError as error:
        sys.stderr.write(f"vectorplane: {error}\n")
        raise SystemExit(_APP_LOAD_ERROR) from None


def __getattr__(name: str) -> Any:
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
