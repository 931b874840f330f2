"""A restart never lowers earlier: the same world, lived once with one operator and once with many.

Only the operator and people move the target here: an HPA would answer to the gaps between operators.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts import virtualtime
from parts.random_plans import trigger
from parts.random_world import Life
from parts.virtualtime import VirtualClock
from parts.world_end import create, happen
from parts.world_happenings import (
    Annotate,
    BrokerIs,
    Drain,
    Happening,
    Kill,
    Plan,
    Push,
    ScaleTarget,
    SetClock,
)
from parts.world_laws import ObjectLaws
from tidegate.kube.resource import DEPLOYMENTS, SCALED_OBJECTS
from tidegate.local.objects import Change

WORLDS = int(os.environ.get("TIDEGATE_WORLDS", "0"))
FEW = settings.get_current_profile_name() == "quick"
POLLING_S = 5
# A restart asks at once and not at the next poll; so either may be ahead by a poll and its answer.
AHEAD_S = POLLING_S + 3.0
# Long enough for both to have seen what is there.
GAPS_S = st.integers(int(2 * AHEAD_S), 150).map(float)
STEPS: st.SearchStrategy[Happening] = st.one_of(
    st.builds(Push, st.just("jobs"), st.integers(1, 3)),
    st.builds(Push, st.just("jobs"), st.integers(1, 3)),
    st.builds(Drain, st.just("jobs")),
    st.builds(Drain, st.just("jobs")),
    st.builds(ScaleTarget, st.sampled_from([0, 1, 4])),
    st.builds(BrokerIs, st.sampled_from(["", "down", "garbled"])),
    st.builds(SetClock, st.sampled_from([-3_600.0, -45.0, 45.0, 3_600.0])),
)
# Before or after the next poll has seen what has just happened.
SOON_S = st.sampled_from([0.0, 1.0, 2.5, 4.0, 10.0])
KILLS = st.builds(Kill, st.integers(0, 4), st.booleans(), st.sampled_from([0.0, 0.0, 1.0]))
SPECS = st.fixed_dictionaries(
    {
        "triggers": st.just([trigger("jobs", 1, 0, False)]),
        "pollingInterval": st.just(POLLING_S),
        "cooldownPeriod": st.sampled_from([0, 20, 60, 100]),
    },
    optional={
        "initialCooldownPeriod": st.just(90),
        "fallback": st.just({"failureThreshold": 3, "replicas": 2}),
    },
)


@st.composite
def twins(draw: st.DrawFn) -> tuple[Plan, Plan]:
    """A plan without any restart, and the same with one in place of each look at its object."""
    steps = draw(st.lists(st.tuples(GAPS_S, STEPS), min_size=1, max_size=12))
    calm: list[tuple[float, Happening]] = []
    wild: list[tuple[float, Happening]] = []
    for gap_s, happening in steps:
        calm.append((gap_s, happening))
        kill = draw(st.one_of(st.none(), st.tuples(SOON_S, KILLS)))
        if kill is None:
            wild.append((gap_s, happening))
        else:
            # The other one is looked at in that moment too: a look is what notices a clock that was set.
            before_s, look = kill[0], Annotate("looked-at", str(len(wild)))
            calm[-1:] = [(before_s, look), (gap_s - before_s, happening)]
            wild += [(before_s, kill[1]), (gap_s - before_s, happening)]
        if isinstance(happening, SetClock):
            # Both notice it at once: who notices later holds on for longer, with and without restarts.
            noticed = (0.0, Annotate("looked-at", f"clock {len(wild)}"))
            calm.append(noticed)
            wild.append(noticed)
    plan = Plan("object", draw(SPECS), draw(st.sampled_from([0, 3])), 0, tuple(calm))
    return plan, replace(plan, happenings=tuple(wild))


def counts(plan: Plan) -> list[tuple[float, int]]:
    """When the target got which count."""

    async def story(clock: VirtualClock) -> list[tuple[float, int]]:
        life = Life(clock, plan.seed)
        seen: list[tuple[float, int]] = []

        def note(change: Change) -> None:
            seen.append((clock.monotonic(), change.object["spec"]["replicas"]))

        life.objects.subscribe([DEPLOYMENTS], note)
        life.subject = (SCALED_OBJECTS, "web")
        ObjectLaws(life)
        async with life.living(with_hpa=False):
            await create(life, plan)
            await happen(life, plan)
            await clock.sleep(150.0)
            life.check()
        return seen

    return virtualtime.run(story, seed=plan.seed)


def least_about(at_s: float, seen: list[tuple[float, int]]) -> int:
    """The lowest count between AHEAD_S before and after."""
    before = [count for moment_s, count in seen if moment_s <= at_s - AHEAD_S]
    during = [count for moment_s, count in seen if at_s - AHEAD_S < moment_s <= at_s + AHEAD_S]
    return min([*before[-1:], *during])


@settings(max_examples=WORLDS or (10 if FEW else 60), derandomize=not WORLDS)
@given(twins())
def test_restarts_lower_no_earlier_than_one_operator_that_lives_on(pair: tuple[Plan, Plan]) -> None:
    calm, wild = pair
    uninterrupted = counts(calm)
    for at_s, count in counts(wild):
        least = least_about(at_s, uninterrupted)
        assert count >= least, f"at {at_s:.1f} s {count} replicas, and without restarts at least {least}"


@pytest.mark.parametrize("restart", [(), ((0.0, Kill(0, False, 0.0)),)], ids=["lives on", "is restarted"])
def test_a_clock_that_is_set_back_neither_shortens_a_cooldown_nor_keeps_it_for_long(restart: Any) -> None:
    """Active until 32 s, set back at 80 s: 60 s of cooldown, which may begin anew when that is noticed."""
    spec = {"triggers": [trigger("jobs", 1, 0, False)], "pollingInterval": POLLING_S, "cooldownPeriod": 60}
    steps = ((16.0, Push("jobs", 1)), (16.0, Drain("jobs")), (48.0, SetClock(-3_600.0)), *restart)
    seen = counts(Plan("object", spec, 0, 0, steps))
    assert [count for _, count in seen] == [0, 1, 0]
    assert 32 + 60 <= seen[-1][0] <= 80 + 2 * 60


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("at_write", range(1, 6))
def test_an_operator_that_dies_while_it_raises_has_begun_the_cooldown(
    at_write: int, is_committed: bool
) -> None:
    """The messages are gone before the next operator asks: what it raised was active all the same."""
    spec: dict[str, Any] = {
        "triggers": [trigger("jobs", 1, 0, False)], "pollingInterval": POLLING_S, "cooldownPeriod": 300
    }  # fmt: skip
    steps: list[tuple[float, Happening]] = [(3.0, Kill(at_write, is_committed, 0.5)), (0.0, Push("jobs", 2))]
    for drained_s in (3.95, 4.0, 4.25):
        plan = Plan("object", spec, 0, 0, (*steps, (drained_s, Drain("jobs"))))
        seen = counts(plan)
        raised = [at_s for at_s, count in seen if count == 1]
        assert not raised or seen[-1][1] == 1
