"""Changes of a folder, as they come; a folder that is not there yet, or goes, is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from watchfiles import awatch

Seen = Callable[[set[Path]], None]
"""Is told the paths that changed. An empty set says: look at everything, something may be new."""

_LOOK_ANYWAY_MS = 5000
"""A watch of a folder that was moved away hears nothing more, so it is looked at anyway."""


async def watch(folder: Path, seen: Seen, *, recursive: bool) -> None:
    """Tell `seen` what changes in a folder, until cancelled."""
    while True:
        inode = _inode(folder)
        if inode is None:
            seen(set())
            await asyncio.sleep(0.5)
            continue
        following = asyncio.create_task(_follow(folder, seen, recursive, inode))
        try:
            # The watch begins with the task's first step: what comes after this look is told.
            await asyncio.sleep(0)
            seen(set())
            await following
        except FileNotFoundError:
            await asyncio.sleep(0.1)
        finally:
            following.cancel()


async def _follow(folder: Path, seen: Seen, recursive: bool, inode: int) -> None:
    async for found in awatch(
        folder,
        recursive=recursive,
        watch_filter=None,
        step=20,
        debounce=200,
        rust_timeout=_LOOK_ANYWAY_MS,
        yield_on_timeout=True,
    ):
        if _inode(folder) != inode:
            return
        seen({Path(path) for _, path in found})


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None
