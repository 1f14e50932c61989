"""The order of things, on one screen: observe, plan, apply, and look again."""

from __future__ import annotations

from dataclasses import replace

from vectorplane.domain.model import Collection, Desired, Observed
from vectorplane.domain.plan import Plan, plan
from vectorplane.domain.status import Outcome, Taken, Trouble
from vectorplane.errors import CallerError, Conflict, Stalled, Waiting
from vectorplane.observe import collection_of, observe, outcome_of
from vectorplane.perform import perform
from vectorplane.ports.embeddings import Embedders
from vectorplane.ports.vectors import VectorAdmin
from vectorplane.rebuilds.advance import advance
from vectorplane.tracing import span

_TRIES = 3


async def reconcile(
    desired: Desired, store: VectorAdmin, embedders: Embedders | None = None, *, where: str = ""
) -> Outcome:
    """Bring one resource's collection to what it declares; of a rebuild, one slice. Errors become
    part of the outcome. `where` is the store's name, for traces."""
    key = desired.key
    with span("reconcile", namespace=key.namespace, name=key.name, store=where) as current:
        outcome = await _patiently(desired, store, embedders)
        current.set_attribute("result", outcome.result)
        return outcome


async def _patiently(desired: Desired, store: VectorAdmin, embedders: Embedders | None) -> Outcome:
    done: list[str] = []
    taken: list[Taken] = []
    retry_after: float | None = None
    for left in reversed(range(_TRIES)):
        try:
            return await _reconcile(desired, store, embedders, done, taken)
        except Conflict as error:
            # Somebody made it a moment ago, another tenant a pool for instance: look again.
            if left == 0:
                trouble = Trouble(error.reason, error.message, retry=True)
        except Waiting as error:
            trouble = Trouble(error.reason, error.message, store=True, retry=True)
            retry_after = error.retry_after
            break
        except (Stalled, CallerError) as error:
            trouble = Trouble(error.reason, error.message)
            break
    return Outcome(None, trouble, (), tuple(done), snapshots=tuple(taken), retry_after=retry_after)


async def _reconcile(
    desired: Desired,
    store: VectorAdmin,
    embedders: Embedders | None,
    done: list[str],
    taken: list[Taken],
) -> Outcome:
    """What was done and taken is added to the lists as it happens: trouble later leaves it so."""
    planned, observed = await _planned(desired, store)
    if desired.may_go and desired.hint and planned.nothing:
        # Its status names a collection, and with the resource goes all that we know of it: one
        # list without it is not enough.
        planned, observed = await _planned(desired, store)
    for action in planned.actions:
        if snapshot := await perform(action, store):
            # By our clock, as the schedule is: the store's may go otherwise.
            taken.append(replace(snapshot, time=desired.now or snapshot.time))
        done.append(str(action))
    progress = None
    if planned.rebuild:
        with span("rebuild", action=str(planned.rebuild)):
            progress = await advance(planned.rebuild, desired, store, embedders)
    if not planned.nothing and planned.collection and not desired.deleting:
        observed = await observe(desired, store)
    outcome = outcome_of(desired, planned, observed)
    if progress and progress.phase == "Done":
        # Only a plan of what is there now knows when the old collection goes.
        outcome = replace(outcome, due=0.0)
    return replace(outcome, changed=tuple(done), snapshots=tuple(taken), progress=progress)


async def preview(desired: Desired, store: VectorAdmin) -> tuple[Plan, Collection | None]:
    """What a reconcile would do now, and the collection that serves the resource today."""
    planned, observed = await _planned(desired, store)
    return planned, collection_of(desired, planned, observed)


async def _planned(desired: Desired, store: VectorAdmin) -> tuple[Plan, Observed]:
    observed = await observe(desired, store)
    with span("plan"):
        return plan(desired, observed), observed
