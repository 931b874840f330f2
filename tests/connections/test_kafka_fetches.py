"""One real Kafka broker that tells of records: whom, at which cost, and when it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from parts.kafka_server import KafkaBroker
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.watched import watched
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.kafka import fetches, wire
from tidegate.connections.kafka.cluster import Topic
from tidegate.connections.kafka.fetches import MOST_PARTITIONS, Fetches
from tidegate.connections.kafka.groups import GroupConnection
from tidegate.kit.systems.kafka import GroupOffsets, KafkaRecords, KafkaServer

pytestmark = [pytest.mark.xdist_group("kafka")]

ANY = KafkaServer(("any:1",))


@pytest.fixture(scope="module")
def broker(servers: Servers) -> KafkaBroker:
    return servers.get(KafkaBroker)


def adapter_of(address: str, **around: Any) -> GroupConnection:
    return GroupConnection(KafkaServer((address,)), Surroundings(**{"timeout_s": 10.0, **around}))


def records(topic: str) -> KafkaRecords:
    return KafkaRecords(ANY, topic)


def fetched(adapter: GroupConnection) -> int:
    return adapter.traffic.requests.get("Fetch", 0)


@pytest.mark.real
async def test_records_of_a_topic_are_told_and_of_no_other(broker: KafkaBroker) -> None:
    await broker.create(told=2, untold=1)
    adapter, told, untold = adapter_of(broker.address), records("told"), records("untold")
    async with watched(adapter, told, untold) as heard:
        await heard.until_open()
        for counts in ((1,), (0, 1), (5, 5)):
            await broker.produce("told", *counts)
            await heard.told(told)
        assert not heard.pushes[untold]
        await broker.produce("untold", 1)
        await heard.told(untold)
        assert not heard.ended
        (found,) = await adapter.answer([GroupOffsets(ANY, "shippers", ("told",))])
        assert sum(one.end for one in found) == 12, "polls go on beside the request that waits"


@pytest.mark.real
async def test_many_topics_are_one_connection_and_one_waiting_request(broker: KafkaBroker) -> None:
    names = [f"many-{number}" for number in range(100)]
    await broker.create(**dict.fromkeys(names, 1))
    adapter = adapter_of(broker.address)
    questions = [records(name) for name in names]
    began_s = asyncio.get_running_loop().time()
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        await broker.produce("many-42", 1)
        await heard.told(questions[42])
        assert adapter.connections == 2, "that of the polls, and the one that waits"
        passed_s = asyncio.get_running_loop().time() - began_s
        most = 3 + passed_s / fetches.WAIT_S
        assert fetched(adapter) <= most, "one tries whether it may, the others have waited, one waits"


@pytest.mark.real
async def test_a_busy_topic_costs_few_requests_and_keeps_no_other_waiting(broker: KafkaBroker) -> None:
    await broker.create(busy=1, calm=1)
    adapter, busy, calm = adapter_of(broker.address), records("busy"), records("calm")
    async with watched(adapter, busy, calm) as heard:
        await heard.until_open()
        before = fetched(adapter)
        began_s = asyncio.get_running_loop().time()
        for _ in range(20):
            await broker.produce("busy", 50)
        await broker.produce("calm", 1)
        await heard.so(lambda: heard.pushes[calm] and heard.pushes[busy])
        passed_s = asyncio.get_running_loop().time() - began_s
        assert fetched(adapter) - before <= 2 + 4 * passed_s, "four a second at most"
        assert heard.pushes[busy] <= 2 + passed_s, "once a second at most"


@pytest.mark.real
async def test_a_topic_that_is_missing_is_refused_alone(broker: KafkaBroker) -> None:
    await broker.create(there=1)
    adapter, good, bad = adapter_of(broker.address), records("there"), records("nowhere")
    async with watched(adapter, good, bad) as heard:
        assert "there is no such topic" in await heard.why(bad)
        assert isinstance(heard.ended[bad], Misconfigured)
        await heard.so(lambda: adapter.is_watching(good))
        assert not adapter.is_watching(bad)


@pytest.mark.real
async def test_a_topic_that_is_watched_later_is_heard_too(broker: KafkaBroker) -> None:
    await broker.create(early=1, late=1)
    adapter, early, late = adapter_of(broker.address), records("early"), records("late")
    async with watched(adapter, early) as heard:
        await heard.until_open()
        heard.watch(late)
        await heard.told(late)
        await broker.produce("late", 1)
        await heard.told(late)
        await heard.leave(early)
        await broker.produce("late", 1)
        await heard.told(late)


@pytest.mark.real
async def test_a_connection_that_was_cut_is_told_and_what_came_meanwhile_is_told_then(
    broker: KafkaBroker,
) -> None:
    await broker.create(cut=1)
    proxy = Proxy(broker.listener("PROXIED"))
    proxy.port = broker.proxy_port
    async with proxy.running():
        adapter, cut = adapter_of(proxy.address), records("cut")
        async with watched(adapter, cut) as heard:
            await heard.until_open()
            await heard.so(lambda: fetched(adapter) >= 2)
            proxy.cut()
            await heard.why(cut)
            assert isinstance(heard.ended[cut], Unreachable)
            assert not adapter.is_watching(cut)
            await broker.produce("cut", 1)
            await heard.reopened(cut)
            await broker.produce("cut", 1)
            await heard.told(cut)


@pytest.mark.real
async def test_a_topic_that_is_deleted_ends_its_watch(broker: KafkaBroker) -> None:
    await broker.create(doomed=1)
    adapter, doomed = adapter_of(broker.address), records("doomed")
    async with watched(adapter, doomed) as heard:
        await heard.until_open()
        await broker.delete("doomed")
        await heard.why(doomed)
        assert isinstance(heard.ended[doomed], TidegateError)


@pytest.mark.parametrize(
    ("address", "words"), [("127.0.0.1:1", "connection refused"), ("nowhere.invalid:9092", "nowhere.invalid")]
)
async def test_a_broker_that_is_not_there_is_named(address: str, words: str) -> None:
    jobs = records("jobs")
    async with watched(adapter_of(address), jobs) as heard:
        assert words in await heard.why(jobs)


async def test_what_is_no_topic_is_not_watched() -> None:
    with pytest.raises(Unsupported, match="cannot watch GroupOffsets"):
        await adapter_of("127.0.0.1:1").watch(GroupOffsets(ANY, "g"), lambda: None)


# --- what a broker says


class Replying:
    """A cluster of one broker with these topics, of one partition each, whose Fetch gives `codes`."""

    label = "Kafka any:1"

    def __init__(self, **codes: int) -> None:
        self.codes = codes

    def begin(self) -> None: ...

    async def look(self, names: Any, _: Any) -> Any:
        return {name: Topic(None, {0: 1}) for name in names}, {}

    async def ask(self, node: int, build: Callable[[Any], Any]) -> list[Any]:
        (request,) = build(self)
        if isinstance(request, wire.FETCH.versions[0]):
            topics = [(name, [(0, code, 7, 7, [], b"")]) for name, code in self.codes.items()]
        else:
            topics = [(name, [(0, 0, -1, 7)]) for name in self.codes]
        return [request.RESPONSE_TYPE(0, topics)]

    def best(self, kind: wire.Kind) -> Any:
        return kind.versions[0]


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (29, Denied, "let the user read the topic"),
        (6, Unreachable, "another broker leads"),
        (1, Unreachable, "made anew"),
    ],
)
async def test_a_topic_that_may_not_be_read_says_why_and_no_other_with_it(
    code: int, kind: type[TidegateError], words: str
) -> None:
    cluster: Any = Replying(mine=0, other=code)
    _, ends = await fetches.look_up(cluster, ["mine", "other"])
    assert ends["mine", 0] == 7
    assert isinstance(ends["other", 0], kind)
    assert words in str(ends["other", 0])


async def test_more_partitions_than_one_request_may_carry_are_only_polled() -> None:
    many = Topic(None, dict.fromkeys(range(MOST_PARTITIONS), 1))
    one = Topic(None, {0: 1})

    async def look(_: Any) -> Any:
        ends = {("many", number): 0 for number in range(MOST_PARTITIONS)} | {("one", 0): 0}
        return {"many": many, "one": one}, ends

    class Silent:
        is_usable = True

        def best(self, kind: wire.Kind) -> Any:
            return kind.versions[0]

        async def exchange(self, *_: Any, **__: Any) -> Any:
            await asyncio.Event().wait()

        async def close(self) -> None: ...

    line = Fetches(look, lambda _: Silent(), "Kafka any:1")  # type: ignore[arg-type,return-value]
    try:
        refused = await line.subscribe(["many", "one"])
        assert refused.keys() == {"one"}
        assert "1,000 partitions of one broker are watched already" in str(refused["one"])
        await line.unsubscribe(["many"])
        assert await line.subscribe(["one"]) == {}
    finally:
        await line.close()
