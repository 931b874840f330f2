"""Where a server has a budget of calls: its triggers are asked in turn, and their intervals stretched.

A reconcile never waits for a turn, which may be minutes away. What may not be done on kept readings is put
off: the triggers are wanted, and the object is looked at again when they should have been asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from tidegate.core import messages
from tidegate.core.values import EmitEvent, TriggerView
from tidegate.measure.budget import Stretch, is_news
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked

MOMENT_S = 1.0
SOON_S = 0.5


async def refresh(steps: Steps, tracked: Tracked, indexes: Iterable[int]) -> bool:
    """Whether no kept reading of these triggers is older than a moment, which is waited for.

    With a budget: whether all have been asked since this was called first, without waiting.
    """
    rounds, keys = steps.rounds, [(tracked.uid, index) for index in indexes]
    if all(rounds.stretch(key) is None for key in keys):
        await asyncio.gather(*(rounds.decisive(key, MOMENT_S) for key in keys))
        return True
    if tracked.asked_anew is None:
        tracked.asked_anew = steps.clock.monotonic() - MOMENT_S
    old = [key for key in keys if rounds.measured_s(key) < tracked.asked_anew]
    if not old:
        tracked.asked_anew = None
        return True
    rounds.wake(old)
    steps.again(tracked.key, max(rounds.turn_s(key) for key in old) + SOON_S)
    return False


def awaited(views: Iterable[TriggerView]) -> tuple[TriggerView, ...]:
    """The views of triggers that are to be asked before anything is done that cannot be undone."""
    return tuple(replace(one, is_awaited=True) for one in views)


async def tell_stretches(steps: Steps, tracked: Tracked) -> None:
    """An event for each trigger whose interval a budget has stretched, or stretches no more."""
    if tracked.plan is None:
        return
    types = {one.index: one.trigger.type for one in tracked.plan.review.triggers}
    for index in tracked.followed:
        stretch = steps.rounds.stretch((tracked.uid, index))
        factor = stretch.is_s / stretch.wanted_s if stretch is not None else 1.0
        if not is_news(tracked.stretched.get(index, 1.0), factor):
            continue
        tracked.stretched[index] = factor
        if stretch is not None:
            event = _event(index, types.get(index, ""), stretch)
            await steps.writer.event(steps.place(tracked), event)


def _event(index: int, trigger_type: str, stretch: Stretch) -> EmitEvent:
    if not stretch.is_stretched:
        return messages.polled_as_written(index, trigger_type, stretch.wanted_s)
    return messages.polled_less(
        index, trigger_type, (stretch.wanted_s, stretch.is_s), (stretch.calls, stretch.budget)
    )
