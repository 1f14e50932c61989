"""Changes of a folder, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from vectorplane_service.local.watching import watch


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_folder_that_comes_goes_and_comes_again(tmp_path: Path) -> None:
    folder = tmp_path / "watched"
    seen: list[set[Path]] = []

    def told(name: str) -> bool:
        return any(folder / name in paths for paths in seen)

    async def play() -> None:
        watching = asyncio.create_task(watch(folder, seen.append, recursive=True))
        await until(lambda: set() in seen)
        seen.clear()
        folder.mkdir()
        await until(lambda: set() in seen)
        (folder / "a").write_text("")
        await until(lambda: told("a"))
        (folder / "deep").mkdir()
        await until(lambda: told("deep"))
        (folder / "deep" / "b").write_text("")
        await until(lambda: told("deep/b"))
        folder.rename(tmp_path / "moved")
        seen.clear()
        await until(lambda: set() in seen)
        folder.mkdir()
        seen.clear()
        await until(lambda: set() in seen)
        (folder / "c").write_text("")
        await until(lambda: told("c"))
        watching.cancel()
        await asyncio.wait([watching])

    asyncio.run(play())
