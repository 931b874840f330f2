"""Three real Kafka brokers: what a round costs, and what happens when one of them goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from parts.kafka_server import KafkaBroker
from tidegate.base.errors import Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.kafka.groups import GroupConnection
from tidegate.kit.systems.kafka import GroupOffsets, KafkaServer, PartitionOffsets

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("kafka")]

TOPICS, PARTITIONS, GROUPS = 100, 8, 1000
SERVER = KafkaServer(("any:1",))
QUESTIONS = [GroupOffsets(SERVER, f"g{n}", (f"t{n % TOPICS}",)) for n in range(GROUPS)]

Connect = Callable[..., GroupConnection]


@pytest.fixture(scope="module")
def brokers() -> Iterator[list[KafkaBroker]]:
    """A thousand groups, each with its commits in one of a hundred topics of eight partitions."""
    with ExitStack() as stack:
        one = stack.enter_context(KafkaBroker(offset_partitions=6))
        brokers = [one, *(stack.enter_context(KafkaBroker(node, one)) for node in (2, 3))]

        async def fill() -> None:
            await one.create_topics([NewTopic(f"t{n}", PARTITIONS, 1) for n in range(TOPICS)])
            places = [(number, 0, "") for number in range(PARTITIONS)]
            await one.commit_all({f"g{n}": [(f"t{n % TOPICS}", places)] for n in range(GROUPS)})

        asyncio.run(fill())
        yield brokers


@pytest.fixture
async def connect(brokers: list[KafkaBroker]) -> AsyncIterator[Connect]:
    """Makes adapters: `connect(address, …, newest={…})`; they end with the test."""
    made: list[GroupConnection] = []

    def make(*addresses: str, newest: dict[str, int] | None = None, **around: Any) -> GroupConnection:
        server = KafkaServer(addresses or (brokers[0].address,))
        made.append(GroupConnection(server, Surroundings(**{"timeout_s": 10.0, **around}), newest=newest))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


async def soon(is_so: Callable[[], Awaitable[bool]], within_s: float = 60.0) -> None:
    """Returns once it is so: what a cluster needs to agree on takes seconds."""
    async with asyncio.timeout(within_s):
        while not await is_so():  # noqa: ASYNC110 (the brokers are other processes)
            await asyncio.sleep(0.2)


async def spent(adapter: GroupConnection, questions: list[GroupOffsets]) -> tuple[list[Any], dict[str, int]]:
    """The answers, and the requests that they took."""
    before = dict(adapter.traffic.requests)
    answers = list(await adapter.answer(questions))
    after = adapter.traffic.requests
    return answers, {name: n - before.get(name, 0) for name, n in after.items() if n > before.get(name, 0)}


async def test_a_thousand_triggers_are_seven_requests_on_three_connections(connect: Connect) -> None:
    adapter = connect()
    assert adapter.batch == GROUPS
    answers, first = await spent(adapter, QUESTIONS)
    every_time = {"Metadata": 1, "OffsetFetch": 3, "ListOffsets": 3}
    assert first == {"ApiVersions": 3, "FindCoordinator": 1, **every_time}
    for _ in range(3):
        answers, requests = await spent(adapter, QUESTIONS)
        assert requests == every_time
    assert adapter.traffic.connections == 3
    assert all(
        answer == tuple(PartitionOffsets(f"t{n % TOPICS}", number, 0, 0) for number in range(PARTITIONS))
        for n, answer in enumerate(answers)
    )


async def test_groups_whose_topics_nobody_names_cost_no_more(connect: Connect) -> None:
    adapter = connect()
    questions = [GroupOffsets(SERVER, question.group) for question in QUESTIONS]
    named = await connect().answer(QUESTIONS)
    answers, first = await spent(adapter, questions)
    assert answers == named
    assert first["Metadata"] == 2
    answers, requests = await spent(adapter, questions)
    assert answers == named
    assert requests == {"Metadata": 1, "OffsetFetch": 3, "ListOffsets": 3}


async def test_older_brokers_are_asked_for_one_group_at_a_time_on_the_same_connections(
    connect: Connect,
) -> None:
    """As Kafka 1.0 speaks; its requests for all groups go out together."""
    newest = {"Metadata": 5, "OffsetFetch": 3, "FindCoordinator": 1, "ListOffsets": 2, "DescribeGroups": 1}
    adapter = connect(newest=newest)
    expected = await connect().answer(QUESTIONS[:200])
    answers, first = await spent(adapter, QUESTIONS[:200])
    assert answers == expected
    assert first["FindCoordinator"] == 200
    _, requests = await spent(adapter, QUESTIONS[:200])
    assert requests == {"Metadata": 1, "OffsetFetch": 200, "ListOffsets": 3}
    assert adapter.traffic.connections == 3


async def test_the_oldest_brokers_are_asked_for_all_topics_so_that_none_is_created(connect: Connect) -> None:
    newest = {"Metadata": 1, "OffsetFetch": 2, "FindCoordinator": 0, "ListOffsets": 1}
    adapter = connect(newest=newest)
    missing = GroupOffsets(SERVER, "g0", ("never",))
    for _ in range(2):
        there, absent = await adapter.answer([QUESTIONS[0], missing])
        assert len(there) == PARTITIONS
        assert isinstance(absent, Misconfigured)
    assert "there is no such topic" in str(absent)
    (answer,) = await connect().answer([missing])
    assert str(answer) == str(absent)


async def test_a_broker_that_speaks_none_of_our_versions_says_so(connect: Connect) -> None:
    for request in ("Metadata", "OffsetFetch", "ListOffsets"):
        (answer,) = await connect(newest={request: 0}).answer(QUESTIONS[:1])
        assert isinstance(answer, Unsupported)
        assert f"send {request}" in str(answer)


async def test_brokers_are_found_through_one_that_advertises_another_name(
    brokers: list[KafkaBroker], connect: Connect
) -> None:
    adapter = connect(f"kafka.shop:{brokers[1].port}", resolve=lambda host: "127.0.0.1")
    for _ in range(2):
        assert [len(one) for one in await adapter.answer(QUESTIONS)] == [PARTITIONS] * GROUPS
    assert adapter.traffic.connections == 4  # the first is closed once the brokers are known


async def test_a_dead_seed_keeps_nobody_from_asking_the_next(
    brokers: list[KafkaBroker], connect: Connect
) -> None:
    adapter = connect("127.0.0.1:1", brokers[2].address)
    assert [len(one) for one in await adapter.answer(QUESTIONS[:5])] == [PARTITIONS] * 5


async def without_the_third(adapter: GroupConnection) -> list[GroupOffsets]:
    """The questions that the third broker is not needed for: it leads a part of each topic's partitions."""
    topics, _ = await adapter.cluster.look([f"t{n}" for n in range(TOPICS)], ())
    return [
        GroupOffsets(SERVER, one.group, one.topics, tuple((n, n) for n, node in leaders.items() if node != 3))
        for one in QUESTIONS
        if adapter.cluster.coordinator(one.group) != 3 and (leaders := topics[one.topics[0]].leaders)
    ]


async def test_a_broker_that_says_nothing_keeps_nobody_from_the_others(
    brokers: list[KafkaBroker], connect: Connect
) -> None:
    adapter = connect(timeout_s=2.0)
    await adapter.answer(QUESTIONS)
    spared = await without_the_third(adapter)
    brokers[2].freeze()
    try:
        async with asyncio.timeout(10):  # as the rounds allow
            answers = await adapter.answer([*QUESTIONS, *spared])
    finally:
        brokers[2].thaw()
    assert all(isinstance(answer, Unreachable) for answer in answers[:GROUPS])
    assert all(isinstance(answer, tuple) for answer in answers[GROUPS:])
    await soon(lambda: is_whole(adapter))


async def is_whole(adapter: GroupConnection) -> bool:
    return all(isinstance(answer, tuple) for answer in await adapter.answer(QUESTIONS))


async def test_a_broker_that_is_down_fails_what_only_it_knows_and_nothing_else(
    brokers: list[KafkaBroker], connect: Connect
) -> None:
    adapter = connect()
    await adapter.answer(QUESTIONS)
    spared = await without_the_third(adapter)
    brokers[2].kill()
    try:
        answers = await adapter.answer([*QUESTIONS, *spared])
        whole, narrow = answers[:GROUPS], answers[GROUPS:]
        assert all(isinstance(answer, Unreachable) for answer in whole)
        assert all(isinstance(answer, tuple) for answer in narrow)
        assert {one.partition for answer in narrow for one in answer} == set(range(PARTITIONS))
    finally:
        brokers[2].start()
    await soon(lambda: is_whole(adapter))


async def test_a_leader_that_moves_is_followed(brokers: list[KafkaBroker], connect: Connect) -> None:
    adapter = connect()
    await brokers[0].create_topics([NewTopic("moving", -1, -1, {0: [2, 3], 1: [3, 2]})])
    await adapter.answer(QUESTIONS)
    group = next(one.group for one in QUESTIONS if adapter.cluster.coordinator(one.group) == 1)
    question = GroupOffsets(SERVER, group, ("moving",))

    async def is_followed() -> bool:
        (answer,) = await adapter.answer([question])
        return answer == tuple(PartitionOffsets("moving", number, -1, 0) for number in range(2))

    await soon(is_followed)
    brokers[1].kill()
    try:
        await soon(is_followed)
    finally:
        brokers[1].start()
    await soon(is_followed)
    await soon(lambda: is_whole(adapter))
