"""`kill -9` of the operator at random moments, while many resources are made, edited and deleted.

`test_crashes.py` kills after each write of one resource; here the moment is nobody's choice.
`KILLS` says how often (`make kill-loop` takes 200), `KILL_SEED` repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Iterator

import pytest

from support.cluster import wait
from support.engines import REAL_ENGINE
from support.fleet import Fleet
from support.world import World

KILLS = int(os.environ.get("KILLS", "12"))
RESOURCES = 60

pytestmark = [REAL_ENGINE, pytest.mark.timeout(240 + 20 * KILLS)]


@pytest.fixture
def seed(capsys: pytest.CaptureFixture[str]) -> int:
    chosen = int(os.environ.get("KILL_SEED") or secrets.randbelow(2**32))
    with capsys.disabled():
        print(f"\nKILL_SEED={chosen} KILLS={KILLS}")  # noqa: T201
    return chosen


@pytest.fixture
def fleet(corner: World, seed: int) -> Iterator[Fleet]:
    made = Fleet(corner, seed, RESOURCES)
    yield made
    made.drop_others()


def test_killed_at_any_moment_it_ends_as_declared(
    corner: World, fleet: Fleet, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(seed)
    corner.operators.stop()
    # With a Lease each new one would wait for that of the killed one to run out.
    operator = corner.operators.new(corner.engine.command, OPERATOR_LEADER_ELECTION="false")
    fleet.fill()
    for _ in range(KILLS):
        operator.start(ready=False)
        if dice.random() < 0.8:
            operator.wait_ready()
        # Else it may die while it starts.
        until = time.monotonic() + dice.uniform(0.0, 1.5)
        while time.monotonic() < until:
            fleet.step()
            # The moments between two edits are part of what is tried.
            time.sleep(dice.uniform(0.0, 0.1))
        operator.kill()
        for _ in range(dice.randrange(4)):
            fleet.step()

    operator.start()
    fleet.fill()
    fleet.settle()
    fleet.check()
    wait(lambda: operator.metrics()["vectorplane_queue_depth"] == 0, "nothing is left to do")
    with capsys.disabled():
        done = ", ".join(f"{n} x {act}" for act, n in sorted(fleet.done.items()))
        print(f"{KILLS} kills ({corner.engine.name}): {done}")  # noqa: T201
    assert operator.stop() == 0
    assert "Traceback" not in operator.text()
    assert not operator.lines("look_failed")
