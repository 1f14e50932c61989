"""An operator that is killed at its n-th write, one life after the other.

The kill comes when a write has been carried out and its answer is still on the way, so the operator
never knew. One trap stands over both ways out of it, to the store and to the API server.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.cluster import wait
from support.proxy import Proxy, Trap
from support.world import World


class Mortal:
    """An operator behind a trap, one life after the other."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._kube = Proxy(world.thread, world.cluster.server, str(world.cluster.ca))
        self._kube.start()
        theirs = world.plane.operator_kubeconfig.read_text()
        self._kubeconfig = folder / "mortal.kubeconfig"
        self._kubeconfig.write_text(theirs.replace(world.cluster.server, self._kube.url))
        world.operators.stop()
        # A renewed Lease is a write too: it would spring the trap between two steps, and a new life
        # would wait for it to run out. What a killed leader leaves is in test_leadership.py.
        self._operator = world.operators.new(
            world.engine.command, self._kubeconfig, OPERATOR_LEADER_ELECTION="false"
        )
        self._operator.start()

    @property
    def dead(self) -> bool:
        return not self._operator.running

    def set_trap(self, write: int) -> None:
        """It dies after its n-th write from now."""
        process = self._operator.process
        assert process
        self._kube.trap = self._world.proxy.trap = Trap(write, process.kill)

    def heal(self) -> bool:
        """No more traps; where one sprang it lives again. True where one did."""
        trap, self._kube.trap, self._world.proxy.trap = self._kube.trap, None, None
        if not trap or not trap.disarm():
            return False
        assert self._operator.process
        self._operator.process.wait(30)
        self._operator.start()
        return True

    def end(self) -> None:
        self._operator.kill()
        assert "Traceback" not in self._operator.text()
        self._kube.stop()


def killed(
    mortal: Mortal, write: int, act: Callable[[], object], done: Callable[[], object]
) -> bool:
    """Do something while the operator dies at its n-th write from now, and let it live again. False
    where it did not take so many."""
    mortal.set_trap(write)
    act()
    wait(lambda: mortal.dead or done(), "it dies, or is done")
    return mortal.heal()
