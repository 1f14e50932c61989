"""The child process of `optimize`: it opens one shard, optimizes it, and ends. With its parent,
if need be."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import qdrant_edge as edge

from vectorplane.adapters.vectors.qdrant_embedded.optimize import NOTHING_TO_DO

NICE = 10
_PR_SET_PDEATHSIG = 1


def main(folder: str) -> int:
    if sys.platform == "linux":
        # A parent killed in the middle must not leave a process that writes into a swept folder.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(NICE)
    shard = edge.EdgeShard.load(folder)
    changed = shard.optimize()
    shard.close()
    return 0 if changed else NOTHING_TO_DO


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
