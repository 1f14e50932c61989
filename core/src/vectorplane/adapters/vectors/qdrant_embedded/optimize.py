"""Optimizing (building HNSW indexes, merging, vacuuming) in a process of its own.

The library holds Python's interpreter lock in every call, `optimize()` included: measured, 15,000
vectors stop every other thread for ten seconds. So a copy of the shard is optimized in a child
process, while the original serves on.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

from vectorplane.errors import StoreFailed

NOTHING_TO_DO = 3
"""The child's exit code where the shard was as it should be."""
_CHILD = "vectorplane.adapters.vectors.qdrant_embedded.optimize_child"


async def optimize_apart(folder: Path) -> bool:
    """Optimize the shard in `folder`, which nobody has open. True where it changed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _CHILD,
        str(folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode not in (0, NOTHING_TO_DO):
        lines = said.decode(errors="replace").strip().splitlines()
        raise StoreFailed(f"the optimizer failed: {lines[-1] if lines else process.returncode}")
    return process.returncode == 0


def copy_shard(source: Path, target: Path) -> None:
    """Copy a flushed shard that nobody writes to. Holes stay holes: its log is two files of 32
    MB, mostly empty."""
    shutil.copytree(source, target, copy_function=_copy_sparse)


def _copy_sparse(source: str, target: str) -> str:
    with open(source, "rb") as read, open(target, "wb") as write:
        size = os.fstat(read.fileno()).st_size
        position = 0
        while position < size:
            try:
                start = os.lseek(read.fileno(), position, os.SEEK_DATA)
            except OSError:  # nothing but a hole to the end
                break
            end = os.lseek(read.fileno(), start, os.SEEK_HOLE)
            read.seek(start)
            write.seek(start)
            left = end - start
            while left:
                block = read.read(min(left, 1 << 20))
                if not block:
                    break
                write.write(block)
                left -= len(block)
            position = end
        write.truncate(size)
    return target
