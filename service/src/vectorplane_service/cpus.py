"""How many CPUs this process may really use.

A container sees all CPUs of its host; what it was given stands in its control group. Workers beyond
that only take turns, so the smallest of affinity and quotas counts, whole CPUs, at least one.
"""

from __future__ import annotations

import math
import os
from pathlib import Path


def available(root: Path = Path("/"), affinity: int | None = None) -> int:
    """`root` is where /proc and /sys are; `affinity` the CPUs that the scheduler lets us use."""
    if affinity is None:
        affinity = _affinity()
    quotas = [*_quotas_v2(root), *_quotas_v1(root)]
    return max(1, math.floor(min([float(affinity), *quotas])))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path) -> list[tuple[str, str]]:
    """Our control groups: the controllers ("" is version 2) and the path of each."""
    found = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            found.append((parts[1], parts[2]))
    return found


def _quotas_v2(root: Path) -> list[float]:
    """cpu.max of our group and of every group above it: each of them binds."""
    quotas = []
    for controllers, path in _groups(root):
        if controllers:
            continue
        for folder in _upwards(root / "sys/fs/cgroup", path):
            words = _read(folder / "cpu.max").split()
            if len(words) == 2 and words[0] != "max":
                quotas.append(int(words[0]) / int(words[1]))
    return quotas


def _quotas_v1(root: Path) -> list[float]:
    quotas = []
    for controllers, path in _groups(root):
        if "cpu" not in controllers.split(","):
            continue
        for mount in (controllers, "cpu"):
            for folder in _upwards(root / "sys/fs/cgroup" / mount, path):
                quota = _read(folder / "cpu.cfs_quota_us")
                period = _read(folder / "cpu.cfs_period_us")
                if quota.lstrip("-").isdigit() and period.isdigit() and int(quota) > 0:
                    quotas.append(int(quota) / int(period))
    return quotas


def _upwards(mount: Path, path: str) -> list[Path]:
    """The group's folder and those above it, down to the mount itself.

    In a container the path is often the host's, and the mount is our own group: then only the mount
    is there to be read.
    """
    parts = [part for part in path.split("/") if part and part != ".."]
    return [mount.joinpath(*parts[:n]) for n in range(len(parts), -1, -1)]


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
