"""The operator at scale, from outside: its own process, a real control plane, a real Qdrant.

    python bench/operator_bench.py                     all of it, about half an hour
    python bench/operator_bench.py --only partition --partition 500

Everything shares the CPUs of one machine, so the table of CPU seconds says what a figure was bound
by. The module has this name because one named `operator` would hide the standard library's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from common import workspace
from kube_load import Json, Name, Watch
from operator_world import STORE, World, collection, started, world
from processes import Costs, peak_mb, rss_mb
from qdrant_client import QdrantClient, models

PARTS = ("dedicated", "rest", "partition", "restart")
SIZE = 128
NAMESPACES = 20
NEWCOMERS = 100
WAIT_SECONDS = 1800.0
LISTS = 100
"""Calls to Qdrant of a restart that only lists, at most: they do not grow with the resources."""
ALONE = 1000
"""Resources that are created with no operator there, to know what creating costs by itself."""

DEDICATED: Json = {
    "store": STORE,
    "vectors": [{"size": SIZE, "distance": "Cosine"}],
    "payloadIndexes": [{"field": "category", "type": "Keyword"}],
}
PARTITION: Json = {
    "store": STORE,
    "vectors": [{"size": SIZE, "distance": "Cosine"}],
    "tenancy": {"mode": "Partition"},
}


@dataclass
class Figures:
    """What was measured: the rows with targets, and the last line."""

    last: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def add(self, what: str, figure: str, target: str, met: bool) -> None:
        self.rows.append((what, figure, target, met))
        print(f"{what}: {figure} (target {target}{'' if met else ', MISSED'})", flush=True)

    def table(self) -> None:
        print(f"\n{'what':<62}{'figure':>22}  {'target':<22}")
        for what, figure, target, met in self.rows:
            print(f"{what:<62}{figure:>22}  {target:<22}{'' if met else 'missed'}")
        print()
        print(" ".join(f"{name}={value}" for name, value in self.last.items()), flush=True)


def bare_loop(number: int, costs: Costs, name: str) -> float:
    """Seconds that a loop of the Qdrant client takes for as many, on a fresh Qdrant."""
    with started() as server:
        client = QdrantClient(url=server.url, timeout=120, check_compatibility=False)
        pids = {"bench": os.getpid()} | ({"qdrant": server.pid} if server.pid else {})
        with costs.phase(name, lambda: pids) as spent:
            for i in range(number):
                made = f"bare.c{i:05d}_1"
                client.create_collection(
                    made, models.VectorParams(size=SIZE, distance=models.Distance.COSINE)
                )
                client.create_payload_index(made, "category", models.PayloadSchemaType.KEYWORD)
                alias = models.CreateAlias(collection_name=made, alias_name=f"bare.c{i:05d}")
                client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
        client.close()
    print(
        f"{name}: {number:,} in {spent.seconds:.1f} s, {number / spent.seconds:.1f} a second",
        flush=True,
    )
    return spent.seconds


def resources(number: int, spec: Json) -> Iterator[Json]:
    for i in range(number):
        yield collection(f"team-{i % NAMESPACES:02d}", f"c{i:05d}", spec)


def written(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {what}" for what, n in counts.most_common()) or "nothing"


async def prepare(here: World) -> None:
    for i in range(NAMESPACES):
        here.namespace(f"team-{i:02d}")
    here.namespace("first")
    here.namespace("new")


async def first(here: World, spec: Json) -> Counter[str]:
    """Writes for one new resource, with the operator otherwise at rest."""
    before = here.audit.mark()
    async with Watch(here.load, "first").running() as watch:
        await here.load.create_one(collection("first", "one", spec), {})
        await watch.all_ready(1, 120, here.alive)
        await asyncio.sleep(3)
    return here.audit.writes(before, only="first")


async def all_at_once(here: World, number: int, spec: Json, phase: str) -> float:
    """Create so many at once; gives the seconds until the last of them is Ready."""
    before, sent = here.audit.mark(), dict[Name, float]()
    calls = await here.calls()
    async with Watch(here.load).running() as watch:
        there = len(watch.ready)
        with here.costs.phase(phase, here.pids) as spent:
            creating = asyncio.create_task(here.load.create(resources(number, spec), sent))
            await watch.all_ready(there + number, WAIT_SECONDS, here.alive)
            creating_seconds = await creating
        begun = min(sent.values())
        took = sorted(at - sent[name] for name, at in watch.ready.items() if name in sent)
        seconds = max(watch.ready.values()) - begun
    writes = here.audit.writes(before)
    print(
        f"  created in {creating_seconds:.1f} s, {number / creating_seconds:.0f} a second, while "
        "the operator worked"
    )
    print(
        f"  all Ready after {seconds:.1f} s, {number / seconds:.1f} a second; from create to "
        f"Ready: median {took[len(took) // 2]:.1f} s, longest {took[-1]:.1f} s"
    )
    each = {who: 1000 * cpu / number for who, cpu in spent.cpu.items()}
    total = sum(each.values())
    print(
        f"  CPU for each: {total:.1f} ms ("
        + ", ".join(f"{who} {ms:.1f}" for who, ms in each.items())
        + f"): two CPUs allow {2000 / total:.0f} a second; others used "
        f"{spent.others / spent.seconds:.1f} CPUs meanwhile"
    )
    print(f"  {writes.total() / number:.2f} writes to Kubernetes each: {written(writes)}")
    print(f"  calls to Qdrant: {await here.calls() - calls}", flush=True)
    return seconds


async def at_rest(here: World, seconds: float, figures: Figures, number: int) -> None:
    await here.settled()
    calls, before = await here.calls(), here.audit.mark()
    with here.costs.phase(f"at rest with {number:,}", here.pids) as spent:
        await asyncio.sleep(seconds)
    percent = spent.cpu["operator"] / spent.seconds * 100
    print(
        f"  {spent.seconds:.0f} s at rest: calls to Qdrant: {await here.calls() - calls}"
        f"; writes to Kubernetes: {written(here.audit.writes(before))}"
    )
    figures.add(f"at rest with {number:,}, of a core", f"{percent:.2f} %", "<= 1 %", percent <= 1)


async def dedicated(args: argparse.Namespace, folder: Path, costs: Costs, figures: Figures) -> None:
    number, compare = args.dedicated, wanted(args, "dedicated")
    bare = [bare_loop(number, costs, "bare loop of the client, first")] if compare else []
    async with world(folder, costs) as here:
        await prepare(here)
        here.begin()
        await here.until_ready()
        here.store()
        spec = DEDICATED
        writes = await first(here, spec)
        print(f"one new dedicated resource: writes to Kubernetes: {written(writes)}")
        figures.add(
            "writes for one new resource, dedicated",
            f"{writes.total()}",
            "<= 3",
            writes.total() <= 3,
        )
        seconds = await all_at_once(here, number, spec, f"{number:,} dedicated until Ready")
        print(f"  memory: peak {peak_mb(here.pid):.0f} MB, now {rss_mb(here.pid):.0f} MB")
        if wanted(args, "rest"):
            await at_rest(here, args.rest_seconds, figures, number)
    if compare:
        bare.append(bare_loop(number, costs, "bare loop of the client, last"))
        ratio = seconds / min(bare)
        figures.add(
            f"{number:,} dedicated, times the quicker bare loop",
            f"{ratio:.2f}",
            "<= 1.2",
            ratio <= 1.2,
        )
        figures.last[f"ratio_{number}"] = f"{ratio:.2f}"


async def partition(args: argparse.Namespace, folder: Path, costs: Costs, figures: Figures) -> None:
    number, spec = args.partition, PARTITION
    async with world(folder, costs) as here:
        await prepare(here)
        here.namespace("alone")
        alone = [collection("alone", f"c{i:05d}", spec) for i in range(min(ALONE, number))]
        took = await here.load.create(alone, {})
        await here.load.delete_all("alone")
        print(f"creating alone, no operator there: {len(alone) / took:.0f} a second", flush=True)
        here.begin()
        await here.until_ready()
        here.store()
        writes = await first(here, spec)
        print(f"one new partition resource: writes to Kubernetes: {written(writes)}")
        figures.add(
            "writes for one new resource, partition",
            f"{writes.total()}",
            "<= 3",
            writes.total() <= 3,
        )
        seconds = await all_at_once(here, number, spec, f"{number:,} partitions until Ready")
        await here.settled()
        peak, now = peak_mb(here.pid), rss_mb(here.pid)
        print(f"  memory: peak {peak:.0f} MB, settled {now:.0f} MB")
        rate = number / seconds
        figures.add(f"{number:,} partitions, Ready a second", f"{rate:.0f}", ">= 100", rate >= 100)
        figures.add(f"memory at {number:,}: peak", f"{peak:.0f} MB", "<= 250 MB", peak <= 250)
        figures.last[f"rss_mb_{number}"] = f"{peak:.0f}"
        figures.last["ready_per_s"] = f"{rate:.0f}"
        if wanted(args, "restart"):
            took = await restart(here, number + 1, figures)
            await newcomers(here, number + 1, took, figures)


@asynccontextmanager
async def restarted(here: World, phase: str) -> Any:
    """Stop the operator and start it again; gives the moments of its start and of /readyz."""
    here.end()
    with here.costs.phase(phase, here.pids):
        begun = here.begin()
        yield begun, await here.until_ready()


async def verified(here: World, number: int) -> float:
    """Until all are looked at since the start; gives the moment."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        found = await here.metrics()
        unverified = found.get("vectorplane_unverified")
        known = sum(n for what, n in found.items() if what.startswith("vectorplane_collections{"))
        looked = sum(n for what, n in found.items() if what.startswith("vectorplane_reconcile_t"))
        if known >= number and (unverified == 0 or (unverified is None and looked >= number)):
            return time.monotonic()
        await asyncio.sleep(0.25)
    raise SystemExit(f"not all verified: {found}")


async def restart(here: World, number: int, figures: Figures) -> float:
    """With nothing changed; gives the seconds from /readyz until all are verified."""
    await here.counted(number)
    calls, before = await here.calls(), here.audit.mark()
    async with restarted(here, f"restart with {number:,}") as (begun, ready):
        done = await verified(here, number)
    print(f"restart: /readyz after {ready - begun:.1f} s, all verified after {done - begun:.1f} s")
    await here.settled()
    peak = peak_mb(here.pid)
    writes, made = here.audit.writes(before), await here.calls() - calls
    print(f"  writes to Kubernetes: {written(writes)}; calls to Qdrant: {made}")
    print(f"  memory: peak {peak:.0f} MB, settled {rss_mb(here.pid):.0f} MB")
    seconds = done - begun
    figures.add(
        f"restart with {number:,}, all verified", f"{seconds:.1f} s", "<= 60 s", seconds <= 60
    )
    figures.add("  writes to Kubernetes", f"{writes.total()}", "0", not writes)
    total, changes = made.number.total(), made.changing
    lists = changes == 0 and total <= LISTS
    figures.add(
        "  calls to Qdrant, those that change", f"{total}, {changes}", "lists only, 0", lists
    )
    figures.add("  memory: peak", f"{peak:.0f} MB", "<= 300 MB", peak <= 300)
    figures.last |= {"restart_s": f"{seconds:.1f}", "restart_writes": f"{writes.total()}"}
    return done - ready


async def newcomers(here: World, number: int, seconds: float, figures: Figures) -> None:
    """New ones at a steady pace during another restart, from /readyz on."""
    window, sent, before = max(seconds, 5.0), dict[Name, float](), here.audit.mark()
    calls = await here.calls()
    async with (
        Watch(here.load, "new").running() as watch,
        restarted(here, f"restart with {number:,}, new ones") as (begun, ready),
        asyncio.TaskGroup() as group,
    ):
        checking = group.create_task(verified(here, number))
        for i in range(NEWCOMERS):
            await asyncio.sleep(max(0.0, ready + window * i / NEWCOMERS - time.monotonic()))
            new = collection("new", f"n{i:03d}", PARTITION)
            group.create_task(here.load.create_one(new, sent))
        await watch.all_ready(NEWCOMERS, WAIT_SECONDS, here.alive)
        done = await checking
    took = sorted(watch.ready[name] - at for name, at in sent.items())
    late = took[int(len(took) * 0.99) - 1]
    print(
        f"restart with new ones: /readyz after {ready - begun:.1f} s, {NEWCOMERS} created within "
        f"{window:.1f} s of it, all verified after {done - begun:.1f} s"
    )
    print(
        f"  from create to Ready: median {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s; "
        f"writes to Kubernetes about others: {written(here.audit.writes(before, but='new'))}"
    )
    print(f"  calls to Qdrant: {await here.calls() - calls}")
    figures.add(
        "a new one during a restart is Ready (99 of 100)", f"{late:.2f} s", "<= 2 s", late <= 2
    )


def wanted(args: argparse.Namespace, part: str) -> bool:
    return not args.only or part in args.only


async def run(args: argparse.Namespace) -> None:
    costs, figures = Costs(), Figures()
    with workspace() as folder:
        if wanted(args, "dedicated") or wanted(args, "rest"):
            await dedicated(args, folder / "dedicated", costs, figures)
        if wanted(args, "partition") or wanted(args, "restart"):
            await partition(args, folder / "partition", costs, figures)
    costs.table()
    figures.table()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dedicated", type=int, default=1000, metavar="N")
    parser.add_argument("--partition", type=int, default=10_000, metavar="N")
    parser.add_argument("--rest-seconds", type=float, default=180.0, metavar="S")
    parser.add_argument("--only", action="append", choices=PARTS, help="may be given again")
    uvloop.run(run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
