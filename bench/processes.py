"""What processes cost, read from outside (Linux, /proc): CPU seconds and resident memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine_seconds() -> float:
    """CPU time of everything on this machine so far, and what its host took away (steal)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, irq, softirq, steal, *_guests = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory now."""
    return _memory(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """The most that was ever resident."""
    return _memory(pid, "VmHWM")


def children(pid: int) -> list[int]:
    """Processes that this one started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def _memory(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


@dataclass
class Spent:
    """CPU seconds of each process during one phase."""

    phase: str
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    others: float = 0.0
    """Of all else on the machine: where this is not small, the seconds are not to be believed."""


class Costs:
    """Who used the CPUs in which phase: tells what bounds a figure."""

    def __init__(self) -> None:
        self._phases: list[Spent] = []

    @contextmanager
    def phase(self, name: str, pids: Callable[[], Mapping[str, int]]) -> Iterator[Spent]:
        """Measure the processes that run when the block begins; one started within it counts from
        its start."""
        spent = Spent(name)
        before = {pid: cpu_seconds(pid) for pid in pids().values()}
        machine, begun = machine_seconds(), time.monotonic()
        try:
            yield spent
        finally:
            spent.seconds = time.monotonic() - begun
            for who, pid in pids().items():
                spent.cpu[who] = cpu_seconds(pid) - before.get(pid, 0.0)
            spent.others = max(0.0, machine_seconds() - machine - sum(spent.cpu.values()))
            self._phases.append(spent)

    def table(self) -> None:
        who = list(dict.fromkeys(name for phase in self._phases for name in phase.cpu))
        names = "".join(f"{w:>15}" for w in (*who, "others"))
        print(f"\n{'CPU seconds during':<34}{'seconds':>9}{names}")
        for phase in self._phases:
            cells = (f"{phase.cpu[w]:>15.1f}" if w in phase.cpu else f"{'-':>15}" for w in who)
            print(
                f"{phase.phase:<34}{phase.seconds:>9.1f}"
                + "".join(cells)
                + f"{phase.others:>15.1f}"
            )
