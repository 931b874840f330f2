"""A write is judged by itself, beside others and by its target; what cannot be looked at refuses nothing."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest

from tidegate.admission.counters import Counters, reason_of
from tidegate.admission.judging import Judging
from tidegate.admission.reviews import Question
from tidegate.admission.workloads import Seen
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.cli.manifests.admission import BEYOND
from tidegate.review import judge as judging

CLOCK = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2"},
}


class Others:
    """Neighbours and targets that say what they are told to."""

    def __init__(self, *problems: Problem, seen: Seen | None = None, is_synced: bool = True) -> None:
        self.found = list(problems)
        self.seen = seen or Seen()
        self.is_synced = is_synced
        self.looks = 0
        self.waits = 0

    @property
    def lacks(self) -> list[str]:
        return [] if self.is_synced else ["nothing was listed yet"]

    async def synced(self) -> None:
        self.waits += 1
        if not self.is_synced:
            await asyncio.get_running_loop().create_future()

    def problems(self, object: ScaledObject) -> list[Problem]:
        return self.found

    async def look(self, object: ScaledObject) -> Seen:
        self.looks += 1
        return self.seen


def scaled_object(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [CLOCK], **spec},
    }


def question(new: Any, old: Any = None) -> Question:
    return Question("u", "UPDATE" if old else "CREATE", "shop", "web", False, new, old)


async def answer(asked: Question, others: Others, counters: Counters | None = None) -> dict[str, Any]:
    made = Judging(partial(judging.judge, beyond=BEYOND), others, others, counters or Counters())
    response: dict[str, Any] = msgspec.json.decode(await made.answer(asked))["response"]
    return response


async def test_an_object_alone_in_the_world_is_allowed() -> None:
    assert await answer(question(scaled_object()), Others()) == {"uid": "u", "allowed": True}


async def test_what_the_object_its_neighbours_and_its_target_are_refused_for_is_told_together() -> None:
    others = Others(
        Problem("spec.scaleTargetRef", "taken"), seen=Seen((Problem("spec.triggers[0]", "bare"),))
    )
    wrong = scaled_object(advanced={"scalingModifiers": {"formula": "nobody", "target": "1"}})
    response = await answer(question(wrong), others)
    message = response["status"]["message"]
    assert message.startswith("[spec.advanced.scalingModifiers")
    assert "spec.scaleTargetRef: taken, spec.triggers[0]: bare]" in message
    assert "warnings" not in response


async def test_neighbours_that_are_not_known_yet_are_told_and_refuse_nothing() -> None:
    response = await answer(question(scaled_object()), Others(Problem("x", "y"), is_synced=False))
    assert response["allowed"] is True
    (warning,) = response["warnings"]
    assert "whether somebody else scales the workload was not looked at" in warning


async def test_what_could_not_be_looked_at_is_warned_of() -> None:
    response = await answer(question(scaled_object()), Others(seen=Seen(warnings=("not looked at",))))
    assert (response["allowed"], response["warnings"]) == (True, ["not looked at"])


async def test_an_update_of_metadata_alone_is_not_judged() -> None:
    others = Others(Problem("spec.scaleTargetRef", "taken"))
    broken = scaled_object(idleReplicaCount=7, minReplicaCount=1)
    held = {**broken, "metadata": {**broken["metadata"], "finalizers": ["a/b"]}}
    assert (await answer(question(broken, held), others))["allowed"] is True
    assert (await answer(question(broken), others))["allowed"] is False
    assert others.looks == 0


async def test_kinds_of_others_are_none_of_our_business() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"triggers": 5}}
    assert (await answer(question(pod), Others(Problem("a", "b"))))["allowed"] is True
    assert (await answer(question(None, pod), Others()))["allowed"] is True


HUGE = {"type": "redis", "metadata": {"address": "r:6379", "listName": "q" * 500, "listLength": "1"}}


@pytest.mark.parametrize(
    "spec",
    [
        {"triggers": [{**HUGE, "name": f"t{index}"} for index in range(1_500)]},
        {"triggers": [{**HUGE, "metadata": {f"k{index}": "v" * 50 for index in range(15_000)}}]},
        {"triggers": "x" * 1_000_000},
        {"scaleTargetRef": {"name": "n" * 1_000_000}},
        {"advanced": {"scalingModifiers": {"formula": "(" * 500_000, "target": "1"}}},
        {"advanced": {"scalingModifiers": {"formula": "1+" * 300_000 + "1", "target": "1"}}},
        {"triggers": [[[[[[]]]]], None, 5, {"type": {"a": 1}, "metadata": []}]},
    ],
)
async def test_a_hostile_object_is_answered_and_holds_nobody_up(spec: dict[str, Any]) -> None:
    """While it is judged, the loop turns: probes are answered."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    turning = asyncio.create_task(turn())
    response = await answer(question(scaled_object(**spec)), Others())
    turning.cancel()
    assert isinstance(response["allowed"], bool)
    assert len(str(response)) < 30_000
    assert turns > 0


async def test_each_judgement_and_each_reason_is_counted() -> None:
    counters = Counters()
    await answer(question(scaled_object()), Others(), counters)
    await answer(question(scaled_object(), scaled_object(cooldownPeriod=1)), Others(), counters)
    wrong = scaled_object(idleReplicaCount=7, minReplicaCount=1, triggers=[CLOCK, {**CLOCK, "type": ""}])
    await answer(question(wrong), Others(), counters)
    job = {**wrong, "kind": "ScaledJob"}
    await answer(question(job), Others(), counters)
    told = {one.family.name: one.samples for one in await counters.gather()}
    assert told["keda_webhook_scaled_object_validations_total"] == {
        ("shop", "create"): 2.0,
        ("shop", "update"): 1.0,
    }
    assert told["keda_webhook_scaled_object_validation_errors_total"] == {
        ("shop", "create", "incorrect-replicas"): 1.0,
        ("shop", "create", "incorrect-triggers"): 2.0,
        # The ScaledJob has no jobTargetRef: KEDA's CRD refuses that, and its webhook has no word for it.
        ("shop", "create", "invalid"): 1.0,
    }
    assert told["tidegate_webhook_unjudged_total"] == {(): 0.0}


@pytest.mark.parametrize(
    ("path", "message", "reason"),
    [
        ("spec.scaleTargetRef", "is already managed by the ScaledObject 'a'", "other-scaled-object"),
        ("spec.scaleTargetRef", "is already managed by the hpa 'a'", "other-hpa"),
        (
            "spec.advanced.horizontalPodAutoscalerConfig.name",
            "the HPA 'b' is already managed by the ScaledObject 'a'",
            "other-scaled-object-hpa",
        ),
        (
            "spec.advanced.horizontalPodAutoscalerConfig.name",
            "must be specified by name in advanced settings to enable ownership transfer",
            "transfer-ownership-missing-hpa-name",
        ),
        ("spec.advanced.scalingModifiers.formula", "no", "scaling-modifiers"),
        ("spec.fallback.behavior", "requires scalingModifiers.formula to be", "scaling-modifiers-fallback"),
        ("spec.fallback", "Forbidden: at least one trigger", "incorrect-fallback"),
        ("spec.minReplicaCount", "has only cpu/memory triggers AND", "scale-to-zero-requirements-not-met"),
        ("spec.minReplicaCount", "less than", "incorrect-replicas"),
        ("spec.triggers[0]", "doesn't have the cpu request defined", "missing-requests"),
        ("spec.triggers[0].name", "unique", "incorrect-triggers"),
        ("metadata.name", "must be no more than 63 characters", "name-too-long"),
        ("metadata.name", "the HPA would be named keda-hpa-x", "hpa-name-too-long"),
        ("spec.pollingInterval", "must be above 0", "invalid"),
    ],
)
def test_refusals_are_counted_under_kedas_words(path: str, message: str, reason: str) -> None:
    assert reason_of(Problem(path, message)) == reason


async def test_one_question_waits_for_a_list_that_never_comes_and_the_others_do_not() -> None:
    others = Others(is_synced=False)
    made = Judging(partial(judging.judge, beyond=BEYOND), others, others, Counters())
    for _ in range(20):
        response = msgspec.json.decode(await made.answer(question(scaled_object())))["response"]
        assert len(response["warnings"]) == 1
    assert others.waits == 1
    others.is_synced = True
    response = msgspec.json.decode(await made.answer(question(scaled_object())))["response"]
    assert "warnings" not in response
