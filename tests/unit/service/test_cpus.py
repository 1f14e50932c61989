from __future__ import annotations

import os
from pathlib import Path

import pytest

from vectorplane_service import cpus


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


V2 = "0::/kubepods/pod1/box\n"
V1 = "12:memory:/box\n4:cpu,cpuacct:/box\n"


@pytest.mark.parametrize(
    ("files", "affinity", "expected"),
    [
        ({}, 8, 8),
        ({"proc/self/cgroup": V2}, 8, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 8, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 3, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 8, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 8, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n"}, 2, 2),
        # The path is the host's, and the mount is our own group.
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 8, 3),
        # A group above binds as well.
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/kubepods/pod1/box/cpu.max": "max 100000\n",
                "sys/fs/cgroup/kubepods/pod1/cpu.max": "400000 100000\n",
            },
            8,
            4,
        ),
        ({"proc/self/cgroup": "0::/../../box\n", "sys/fs/cgroup/cpu.max": "100000 100000"}, 8, 1),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "50000\n",
            },
            8,
            3,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
            8,
        ),
        (
            {
                "proc/self/cgroup": V1 + "what is this\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
            2,
        ),
    ],
)
def test_the_smallest_of_affinity_and_quotas(
    tmp_path: Path, files: dict[str, str], affinity: int, expected: int
) -> None:
    assert cpus.available(tree(tmp_path, files), affinity) == expected


def test_here() -> None:
    assert 1 <= cpus.available() <= (os.cpu_count() or 1)


def test_a_system_without_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cpus.available(tmp_path) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpus.available(tmp_path) == 1
