"""The service over the store in memory that an operator in another process works on."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from support.remote_store import RemoteAdmin
from vectorplane_service import logs
from vectorplane_service.app import create_app
from vectorplane_service.settings import ServiceSettings


async def opened() -> Any:
    return RemoteAdmin(os.environ["REMOTE_STORE_URL"], None, 20.0)


@lru_cache(maxsize=1)
def _app() -> Any:
    settings = ServiceSettings.load(env_file=None)
    logs.configure(settings.log_level, settings.log_format)
    return create_app(settings, points=opened)


def __getattr__(name: str) -> Any:
    if name == "app":
        return _app()
    raise AttributeError(name)
