"""Kubernetes questions are answered by the caches, and by nothing before these are filled."""

from __future__ import annotations

import asyncio
from typing import Any

from tidegate.base.errors import Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.kubernetes import connect
from tidegate.kit.systems.kubernetes import KubernetesServer, PodCount

WEB, API = PodCount("shop", "app=web"), PodCount("shop", "app=api")


async def answers(*questions: PodCount, **around: Any) -> Any:
    adapter = connect(KubernetesServer(), Surroundings(**around))
    try:
        return await adapter.answer(questions)
    finally:
        await adapter.close()


async def test_each_question_gets_its_answer() -> None:
    async def objects(question: PodCount) -> int:
        return {WEB: 3, API: 0}[question]

    assert await answers(API, WEB, objects=objects) == [0, 3]


async def test_a_failure_is_the_answer_of_its_question_alone() -> None:
    unsynced = Unreachable("count pods", answer="not listed yet")

    async def objects(question: PodCount) -> int:
        if question == WEB:
            raise unsynced
        return 2

    assert await answers(WEB, API, objects=objects) == [unsynced, 2]


async def test_caches_that_never_answer_hold_up_nothing_for_longer_than_one_answer_may_take() -> None:
    waiting = 0

    async def objects(question: PodCount) -> int:
        nonlocal waiting
        if question == WEB:
            waiting += 1
            await asyncio.Event().wait()
        return 2

    async with asyncio.timeout(20):
        hung, ready, *others = await answers(WEB, API, *[WEB] * 998, objects=objects, timeout_s=0.05)
    assert ready == 2
    assert waiting == 999
    assert {type(answer) for answer in (hung, *others)} == {Unreachable}


async def test_without_a_cluster_nothing_is_zero() -> None:
    (answer,) = await answers(WEB)
    assert isinstance(answer, Unreachable)
    assert "there is no connection to it" in str(answer)
