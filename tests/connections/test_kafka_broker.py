"""One real Kafka broker: what groups, topics and partitions may be, logins, and what a network does to us."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from parts import faults
from parts.kafka_server import PASSWORD, USER, KafkaBroker
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.servers import installed
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections import kafka
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.kafka.groups import GroupConnection
from tidegate.kit.systems.kafka import GroupOffsets, KafkaServer, PartitionOffsets, Sasl, TokenEndpoint
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("kafka")]

Connect = Callable[..., GroupConnection]
NOBODY = KafkaServer(("any:1",))


@pytest.fixture(scope="module")
def broker(servers: Servers) -> KafkaBroker:
    """A topic of three partitions with 5, 6 and 7 messages; the group has read some of the first two."""
    broker = servers.get(KafkaBroker)

    async def fill() -> None:
        await broker.create(orders=3, returns=1, empty=1)
        await broker.produce("orders", 5, 6, 7)
        await broker.produce("returns", 4)
        await broker.commit("shippers", "orders", 1, 2)
        await broker.commit("clerks", "returns", 1)

    if broker.is_new:
        broker.is_new = False
        asyncio.run(fill())
    return broker


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters: `connect(address, sasl, tls, timeout_s=…)`; they end with the test."""
    made: list[GroupConnection] = []

    def make(
        address: str, sasl: Sasl | None = None, tls: Tls | None = None, **around: Any
    ) -> GroupConnection:
        surroundings = Surroundings(**{"timeout_s": 5.0, **around})
        made.append(GroupConnection(KafkaServer((address,), sasl, tls), surroundings))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def offsets(group: str, *topics: str, **how: Any) -> GroupOffsets:
    return GroupOffsets(NOBODY, group, topics, **how)


def at(topic: str, *each: tuple[int, int], start: int | None = None) -> tuple[PartitionOffsets, ...]:
    return tuple(PartitionOffsets(topic, number, *one, start) for number, one in enumerate(each))


ORDERS = at("orders", (1, 5), (2, 6), (-1, 7))


async def test_a_group_has_its_commits_and_the_ends_of_its_topic(
    broker: KafkaBroker, connect: Connect
) -> None:
    adapter = connect(broker.address)
    for _ in range(2):
        assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]


async def test_what_is_asked_together_is_answered_in_order(broker: KafkaBroker, connect: Connect) -> None:
    adapter = connect(broker.address)
    questions = [
        offsets("clerks", "returns"),
        offsets("shippers", "orders", ranges=((1, 2),)),
        offsets("clerks", "orders", "returns"),
        offsets("nobody", "empty"),
        offsets("nobody", "empty"),
    ]
    assert await adapter.answer(questions) == [
        at("returns", (1, 4)),
        ORDERS[1:],
        at("orders", (-1, 5), (-1, 6), (-1, 7)) + at("returns", (1, 4)),
        at("empty", (-1, 0)),
        at("empty", (-1, 0)),
    ]


async def test_without_a_topic_all_partitions_of_topics_with_a_commit_count(
    broker: KafkaBroker, connect: Connect
) -> None:
    adapter = connect(broker.address)
    assert await adapter.answer([offsets("shippers"), offsets("clerks"), offsets("never seen")]) == [
        ORDERS,
        at("returns", (1, 4)),
        (),
    ]


async def test_where_a_consumer_would_start_over_the_start_is_told(
    broker: KafkaBroker, connect: Connect
) -> None:
    await broker.create(again=2)
    await broker.produce("again", 3, 4)
    await broker.commit("ahead", "again", 50, 2)
    adapter = connect(broker.address)
    assert await adapter.answer([offsets("ahead", "again", with_starts=True)]) == [
        (PartitionOffsets("again", 0, 50, 3, 0), PartitionOffsets("again", 1, 2, 4, None))
    ]
    assert await adapter.answer([offsets("nobody", "again", with_starts=True)]) == [
        at("again", (-1, 3), (-1, 4), start=0)
    ]


async def test_members_bring_the_topics_they_are_assigned(broker: KafkaBroker, connect: Connect) -> None:
    from aiokafka import AIOKafkaConsumer

    adapter = connect(broker.address)
    consumer = AIOKafkaConsumer(
        "empty", bootstrap_servers=broker.address, group_id="clerks", enable_auto_commit=False
    )
    await consumer.start()
    try:
        asked = offsets("clerks", of_members=True)
        assert await adapter.answer([asked]) == [at("empty", (-1, 0)) + at("returns", (1, 4))]
    finally:
        await consumer.stop()
    (answer,) = await adapter.answer([asked])
    assert isinstance(answer, Misconfigured)
    assert "no active members in group clerks, group-state is Empty" in str(answer)


async def test_members_that_speak_the_protocol_of_kafka_4_bring_their_topics(
    broker: KafkaBroker, connect: Connect
) -> None:
    program = installed("kafka") / "bin" / "kafka-console-consumer.sh"
    words = ["--bootstrap-server", broker.address, "--topic", "orders", "--group", "moderns"]
    words += ["--consumer-property", "group.protocol=consumer"]
    consumer = await asyncio.create_subprocess_exec(
        program, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    adapter = connect(broker.address)
    asked = offsets("moderns", of_members=True)
    try:
        async with asyncio.timeout(60):
            (answer,) = await adapter.answer([asked])
            while isinstance(answer, Misconfigured) or not answer:
                await asyncio.sleep(0.2)
                (answer,) = await adapter.answer([asked])
        assert [one.topic for one in answer] == ["orders"] * 3
    finally:
        consumer.kill()
        await consumer.wait()


async def test_a_group_that_nobody_knows_is_told_where_members_are_wanted(
    broker: KafkaBroker, connect: Connect
) -> None:
    (answer,) = await connect(broker.address).answer([offsets("mispelt", of_members=True)])
    assert isinstance(answer, Misconfigured)
    assert "no active members in group mispelt, group-state is Dead" in str(answer)


async def test_a_missing_topic_fails_alone_and_is_not_created(broker: KafkaBroker, connect: Connect) -> None:
    adapter = connect(broker.address)
    for _ in range(2):
        missing, there = await adapter.answer([offsets("shippers", "nowhere"), offsets("shippers", "orders")])
        assert isinstance(missing, Misconfigured)
        assert "topic nowhere" in str(missing)
        assert there == ORDERS
    await broker.create(afterwards=1)  # what was wanted before it would be there by now
    assert {"afterwards"} == {"nowhere", "afterwards"} & await broker.topics()


async def test_partitions_that_do_not_exist_are_no_zero(broker: KafkaBroker, connect: Connect) -> None:
    (answer,) = await connect(broker.address).answer([offsets("shippers", "orders", ranges=((7, 9),))])
    assert isinstance(answer, Misconfigured)
    assert "expected at least one active partition within the topic 'orders'" in str(answer)


async def test_a_name_that_no_topic_can_have_fails_alone(broker: KafkaBroker, connect: Connect) -> None:
    bad, there = await connect(broker.address).answer([offsets("g", "a b"), offsets("shippers", "orders")])
    assert isinstance(bad, Misconfigured)
    assert there == ORDERS


async def test_a_topic_that_is_made_anew_is_seen_as_it_is(broker: KafkaBroker, connect: Connect) -> None:
    adapter = connect(broker.address)
    asked = [offsets("builders", "rebuilt", with_starts=True)]
    await broker.create(rebuilt=1)
    await broker.produce("rebuilt", 9)
    await broker.commit("builders", "rebuilt", 6)
    assert await adapter.answer(asked) == [at("rebuilt", (6, 9))]
    await broker.delete("rebuilt")
    (answer,) = await adapter.answer(asked)
    assert isinstance(answer, Misconfigured)
    await broker.create(rebuilt=2)
    await broker.produce("rebuilt", 1, 1)
    # With the topic the broker has deleted the group's commits.
    assert await adapter.answer(asked) == [at("rebuilt", (-1, 1), (-1, 1), start=0)]


async def test_how_long_a_commit_stands_still_is_told_where_it_is_asked(
    broker: KafkaBroker, connect: Connect
) -> None:
    adapter = connect(broker.address)
    asked = [offsets("shippers", "orders", is_repeated=True)]
    await adapter.answer([offsets("shippers", "orders")])
    (first,) = await adapter.answer(asked)
    assert [one.unmoved_s for one in first] == [0.0, 0.0, 0.0]
    (second,) = await adapter.answer(asked)
    assert [one.unmoved_s > 0 for one in second] == [True, True, False]
    await broker.commit("shippers", "orders", 2)
    (third,) = await adapter.answer(asked)
    await broker.commit("shippers", "orders", 1)
    assert [one.unmoved_s > 0 for one in third] == [False, True, False]


async def test_a_question_of_another_system_is_refused_alone(broker: KafkaBroker, connect: Connect) -> None:
    questions = [PodCount("shop", "app=web"), offsets("shippers", "orders")]
    other, there = await connect(broker.address).answer(questions)
    assert isinstance(other, Unsupported)
    assert there == ORDERS


# --- logging in

LOGINS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


def authority() -> str:
    return faults.authority().cert_pem.bytes().decode()


def certificate() -> Tls:
    issued = faults.authority().issue_cert("shippers")
    return Tls(
        authority(), issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode()
    )


@pytest.mark.parametrize("mechanism", LOGINS)
@pytest.mark.parametrize("listener", ["SASL", "SASLTLS"])
async def test_a_user_logs_in(broker: KafkaBroker, connect: Connect, listener: str, mechanism: Any) -> None:
    tls = Tls(authority()) if listener == "SASLTLS" else None
    adapter = connect(broker.at(listener), Sasl(mechanism, USER, PASSWORD), tls)
    assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]


@pytest.mark.parametrize("mechanism", LOGINS)
@pytest.mark.parametrize("login", [(USER, "hunter2-wrong"), ("nobody=,", PASSWORD)], ids=["password", "user"])
async def test_whom_the_broker_does_not_know_is_denied(
    broker: KafkaBroker, connect: Connect, mechanism: Any, login: tuple[str, str]
) -> None:
    adapter = connect(broker.at("SASL"), Sasl(mechanism, *login))
    for _ in range(2):
        with pytest.raises(Denied, match="was not accepted") as caught:
            await adapter.answer([offsets("shippers", "orders")])
        assert broker.at("SASL") in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_a_login_for_a_port_without_logins_is_denied(broker: KafkaBroker, connect: Connect) -> None:
    with pytest.raises(Denied, match="does not offer PLAIN"):
        await connect(broker.address, Sasl("PLAIN", USER, PASSWORD)).answer([offsets("shippers", "orders")])


async def test_nobody_is_served_without_the_login_that_the_port_wants(
    broker: KafkaBroker, connect: Connect
) -> None:
    with pytest.raises(Unreachable, match="closed; check whether the port wants a login, which `sasl` names"):
        await connect(broker.at("SASL")).answer([offsets("shippers", "orders")])


def token(**claims: Any) -> str:
    """An unsigned one, as the broker's own validator believes it."""
    texts = (
        {"alg": "none"},
        {"sub": "shippers", "iat": time.time() - 60, "exp": time.time() + 600, **claims},
    )
    parts = (base64.urlsafe_b64encode(json.dumps(text).encode()).decode().rstrip("=") for text in texts)
    return ".".join([*parts, ""])


def bearer(uri: str) -> Sasl:
    return Sasl(
        "OAUTHBEARER", "hunter2-id", "hunter2-secret", TokenEndpoint(uri, ("lag",), (("pool", "p1"),))
    )


async def test_a_token_logs_in_and_is_fetched_once(broker: KafkaBroker, connect: Connect) -> None:
    answer = json.dumps({"access_token": token(), "expires_in": 600}).encode()
    async with faults.answering(answer) as endpoint:
        adapter = connect(broker.at("SASL"), bearer(f"http://{endpoint.address}/token"))
        for _ in range(2):
            assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]
            await adapter.cluster.close()
        assert endpoint.heard.count(b"POST /token") == 1
        assert b"grant_type=client_credentials&scope=lag" in endpoint.heard
    assert adapter.traffic.connections == 2


async def test_a_token_that_the_broker_does_not_take_is_denied(broker: KafkaBroker, connect: Connect) -> None:
    answer = json.dumps({"access_token": token(exp=time.time() - 30), "expires_in": 600}).encode()
    async with faults.answering(answer) as endpoint:
        adapter = connect(broker.at("SASL"), bearer(f"http://{endpoint.address}/"))
        with pytest.raises(Denied, match="the token was not accepted"):
            await adapter.answer([offsets("shippers", "orders")])


async def test_whom_the_token_server_does_not_know_is_denied(broker: KafkaBroker, connect: Connect) -> None:
    async with faults.answering(b'{"error": "hunter2-secret"}', "401 Unauthorized") as endpoint:
        adapter = connect(broker.at("SASL"), bearer(f"http://{endpoint.address}/"))
        with pytest.raises(Denied, match="oauthTokenEndpointUri") as caught:
            await adapter.answer([offsets("shippers", "orders")])
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("bad", [faults.nobody, faults.silent, faults.hanging_up])
async def test_without_a_token_nobody_is_asked(broker: KafkaBroker, connect: Connect, bad: Any) -> None:
    async with bad() as endpoint:
        adapter = connect(broker.at("SASL"), bearer(f"http://{endpoint.address}/"), timeout_s=0.5)
        with pytest.raises(Unreachable, match="token"):
            await adapter.answer([offsets("shippers", "orders")])


def test_what_is_not_offered_says_so() -> None:
    with pytest.raises(Unsupported, match="log in"):
        kafka.connect(KafkaServer(("a:1",), Sasl("GSSAPI")), Surroundings())


async def test_a_certificate_may_be_all_the_login_there_is(broker: KafkaBroker, connect: Connect) -> None:
    adapter = connect(broker.at("MUTUAL"), tls=certificate())
    assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]
    with pytest.raises(Unreachable):
        await connect(broker.at("MUTUAL"), tls=Tls(authority())).answer([offsets("shippers", "orders")])


async def test_a_broker_of_an_authority_that_nobody_trusts_is_not_asked(
    broker: KafkaBroker, connect: Connect
) -> None:
    with pytest.raises(Unreachable, match="its certificate is not trusted"):
        await connect(broker.at("TLS"), tls=Tls()).answer([offsets("shippers", "orders")])
    unverified = connect(broker.at("TLS"), tls=Tls(is_verified=False))
    assert await unverified.answer([offsets("shippers", "orders")]) == [ORDERS]


async def test_tls_to_a_plain_port_and_back_are_told(broker: KafkaBroker, connect: Connect) -> None:
    with pytest.raises(Unreachable, match=r"TLS failed|closed|no answer"):
        await connect(broker.address, tls=Tls(authority()), timeout_s=1.0).answer([offsets("g", "orders")])
    (answer,) = await connect(broker.at("TLS")).answer([offsets("g", "orders")])
    assert isinstance(answer, Malformed)
    assert "whether it wants TLS" in str(answer)


async def test_a_certificate_that_cannot_be_read_is_each_ones_mistake(
    broker: KafkaBroker, connect: Connect
) -> None:
    (answer,) = await connect(broker.at("TLS"), tls=Tls("no PEM")).answer([offsets("g", "orders")])
    assert isinstance(answer, Misconfigured)
    assert "parameter ca" in str(answer)


# --- what a network does to us


@pytest.fixture
async def proxy(broker: KafkaBroker) -> AsyncIterator[Proxy]:
    """In front of the listener that advertises it, so that everything goes through it."""
    proxy = Proxy(broker.listener("PROXIED"))
    proxy.port = broker.proxy_port
    async with proxy.running():
        yield proxy


async def test_a_broker_that_says_nothing_is_given_up_and_asked_again_later(
    proxy: Proxy, connect: Connect
) -> None:
    adapter = connect(proxy.address, timeout_s=0.3)
    proxy.mode = "stall"
    for _ in range(2):
        with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
            await adapter.answer([offsets("shippers", "orders")])
    proxy.mode = "pass"
    assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]


async def test_a_connection_cut_in_between_is_not_noticed(proxy: Proxy, connect: Connect) -> None:
    adapter = connect(proxy.address)
    for _ in range(3):
        assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]
        proxy.cut()
    assert adapter.traffic.connections == 3


async def test_a_connection_cut_in_the_middle_is_tried_once_more(proxy: Proxy, connect: Connect) -> None:
    adapter = connect(proxy.address)
    await adapter.answer([offsets("shippers", "orders")])
    proxy.mode = "stall"
    proxy.heard.clear()
    asking = asyncio.ensure_future(adapter.answer([offsets("shippers", "orders")]))
    await proxy.heard.wait()
    proxy.mode = "pass"
    proxy.cut()
    assert await asking == [ORDERS]


async def test_garbage_is_malformed_and_the_connection_is_not_used_again(
    proxy: Proxy, connect: Connect
) -> None:
    adapter = connect(proxy.address)
    asked = [offsets("shippers", "orders"), offsets("clerks", "returns")]
    assert await adapter.answer(asked) == [ORDERS, at("returns", (1, 4))]
    proxy.mode = "garble"
    assert [type(answer) for answer in await adapter.answer(asked)] == [Malformed, Malformed]
    proxy.mode = "pass"
    assert await adapter.answer(asked) == [ORDERS, at("returns", (1, 4))]
    assert adapter.traffic.connections == 2


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_the_next(
    proxy: Proxy, connect: Connect
) -> None:
    adapter = connect(proxy.address)
    await adapter.answer([offsets("shippers", "orders")])
    proxy.heard.clear()
    asking = asyncio.ensure_future(adapter.answer([offsets("shippers", "orders")]))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await adapter.answer([offsets("clerks", "returns")]) == [at("returns", (1, 4))]


async def test_questions_at_the_same_time_get_their_own_answers(
    broker: KafkaBroker, connect: Connect
) -> None:
    adapter = connect(broker.address)
    asked = [offsets("shippers", "orders"), offsets("clerks", "returns")] * 5
    answers = await asyncio.gather(*(adapter.answer([one]) for one in asked))
    assert [answer[0] for answer in answers] == [ORDERS, at("returns", (1, 4))] * 5
    assert adapter.traffic.connections == 1


async def test_the_name_is_resolved_before_it_is_dialled(broker: KafkaBroker, connect: Connect) -> None:
    names = {"kafka.shop": "127.0.0.1"}
    adapter = connect(f"kafka.shop:{broker.port}", resolve=lambda host: names.get(host, host))
    assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]
    dead = connect("kafka.shop:1", resolve=lambda host: names.get(host, host))
    with pytest.raises(Unreachable, match=r"kafka\.shop:1 \(127\.0\.0\.1\): connection refused"):
        await dead.answer([offsets("shippers", "orders")])


async def test_an_address_that_triggers_may_not_ask_is_not_dialled(
    broker: KafkaBroker, connect: Connect
) -> None:
    adapter = connect(broker.address, policy=AddressPolicy.on_a_cluster())
    (answer,) = await adapter.answer([offsets("shippers", "orders")])
    assert isinstance(answer, Misconfigured)
    assert "own loopback" in str(answer)


async def test_an_advertised_address_that_nobody_reaches_is_named(
    broker: KafkaBroker, connect: Connect
) -> None:
    (answer,) = await connect(broker.at("PROXIED")).answer([offsets("shippers", "orders")])
    assert isinstance(answer, Unreachable)
    assert f"127.0.0.1:{broker.proxy_port}: connection refused" in str(answer)
    assert "it advertises an address that is reached from here" in str(answer)


async def test_closing_is_safe_before_opening_and_twice(broker: KafkaBroker, connect: Connect) -> None:
    adapter = connect(broker.address)
    await adapter.close()
    assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]
    await adapter.close()
    await adapter.close()
    assert await adapter.answer([offsets("shippers", "orders")]) == [ORDERS]


async def test_a_broker_that_was_restarted_is_found_again(connect: Connect) -> None:
    with KafkaBroker() as own:
        await own.create(orders=1)
        await own.produce("orders", 2)
        await own.commit("shippers", "orders", 1)
        adapter = connect(own.address)
        assert await adapter.answer([offsets("shippers", "orders")]) == [at("orders", (1, 2))]
        own.kill()
        for _ in range(2):
            with pytest.raises(Unreachable, match=f"{own.address}: connection refused; check that"):
                await adapter.answer([offsets("shippers", "orders")])
        own.start()
        for _ in range(20):  # a group's coordinator loads what it knows before it answers
            (answer,) = await adapter.answer([offsets("shippers", "orders")])
            if not isinstance(answer, Unreachable):
                break
        assert answer == at("orders", (1, 2))


# --- bad servers


@pytest.mark.parametrize("bad", faults.UNREACHABLE)
async def test_what_is_no_broker_is_unreachable(connect: Connect, bad: Any) -> None:
    async with bad() as server:
        adapter = connect(server.address, timeout_s=0.5)
        for _ in range(2):
            with pytest.raises(Unreachable, match=server.address):
                await adapter.answer([offsets("g", "orders")])


async def test_a_host_that_has_no_address_is_named(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=faults.NOWHERE):
        await connect(f"{faults.NOWHERE}:9092").answer([offsets("g", "orders")])


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x00\x00\x0a\x00\x00\x00\x07" + b"\x00" * 6,  # answers a request that nobody sent
        b"\x00\x00\x00\x05\x00\x00\x00\x01\x00",  # half an answer
        b"\x00\x98\x96\x80\x00\x00\x00\x01" + b"\xff" * 9_999_996,  # ten megabytes of nothing
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\xff",
    ],
    ids=["http", "other", "half", "huge", "longest", "negative"],
)
async def test_an_answer_of_another_shape_is_malformed_and_never_a_zero(
    connect: Connect, reply: bytes
) -> None:
    async with faults.saying(reply) as server:
        answers = await connect(server.address).answer([offsets("g", "orders"), offsets("h", "orders")])
        assert [type(answer) for answer in answers] == [Malformed, Malformed]
