"""Pulsar standalone: what its statistics really say, over TLS too, and how it heals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts import faults
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.pulsar_server import PulsarServer
from parts.server_process import Servers
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import connect
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.pulsar import backlog

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("pulsar")]

ProxyFor = Callable[[int], Awaitable[Proxy]]
PATIENT_S = 20.0


@pytest.fixture(scope="module")
def broker(servers: Servers) -> PulsarServer:
    return servers.get(PulsarServer)


def build(admin: str, topic: str, auth: dict[str, str] | None = None, **metadata: str) -> Any:
    kind = scalers.find("pulsar")
    assert kind is not None
    texts = {
        "adminURL": admin,
        "topic": f"persistent://public/default/{topic}",
        "subscription": "s",
        **metadata,
    }
    sources = Sources(texts, {}, auth or {})
    return reading.build(kind, Trigger(type="pulsar", metadata=texts), sources, Scope("shop"))


async def test_messages_that_are_not_acknowledged_are_the_backlog(broker: PulsarServer) -> None:
    broker.make("orders", "s", "other")
    broker.publish("orders", 5)
    broker.skip("orders", "s", 2)
    triggers = [build(broker.admin, "orders"), build(broker.admin, "orders", subscription="other")]
    assert (await one_round(triggers, timeout_s=PATIENT_S)).values == [3, 5]


async def test_the_partitions_of_a_topic_count_together(broker: PulsarServer) -> None:
    broker.make("logs", "s", partitions=3)
    broker.publish("logs", 7)
    whole = build(broker.admin, "logs", isPartitionedTopic="true")
    assert (await one_round([whole], timeout_s=PATIENT_S)).values == [7]


async def test_what_is_not_there_is_a_failure_of_its_own(broker: PulsarServer) -> None:
    broker.make("single", "s")
    broker.make("parted", "s", partitions=2)
    triggers = [
        build(broker.admin, "single"),
        build(broker.admin, "single", subscription="gone"),
        build(broker.admin, "gone"),
        build(broker.admin, "parted"),
        build(broker.admin, "single", isPartitionedTopic="true"),
    ]
    value, *told = (await one_round(triggers, timeout_s=PATIENT_S)).values
    assert value == 0
    assert "have not subscription found! gone" in told[0]
    assert all("404, the topic is not found" in one for one in told[1:])


async def test_many_triggers_of_a_topic_are_one_request(broker: PulsarServer, proxy_for: ProxyFor) -> None:
    broker.make("many", *(f"s{number}" for number in range(10)))
    proxy = await proxy_for(broker.ports[1])
    triggers = [
        build(
            f"http://{proxy.address}",
            "many",
            subscription=f"s{number % 10}",
            msgBacklogThreshold=str(1 + number),
        )
        for number in range(1000)
    ]
    assert (await one_round(triggers, timeout_s=PATIENT_S)).values == [0] * 1000
    assert (len(proxy.requests), proxy.connections) == (1, 1)


async def test_tls_and_a_client_certificate(broker: PulsarServer) -> None:
    broker.make("safe", "s")
    trusted = faults.authority().cert_pem.bytes().decode()
    leaf = faults.authority().issue_cert("operator")
    pair = {"cert": leaf.cert_chain_pems[0].bytes().decode(), "key": leaf.private_key_pem.bytes().decode()}
    async with faults.in_tls(broker.ports[1], is_client_asked=True) as front:
        admin = f"https://{front.address}"
        shown = build(admin, "safe", {"ca": trusted, **pair}, tls="enable")
        hidden = build(admin, "safe", {"ca": trusted, **pair})
        untrusted = build(admin, "safe", pair, authModes="tls")
        plain = build(f"https://127.0.0.1:{broker.ports[1]}", "safe", {"ca": trusted})
        value, *told = (await one_round([shown, hidden, untrusted, plain], timeout_s=PATIENT_S)).values
    assert value == 0
    assert all(isinstance(one, str) and "PRIVATE KEY" not in one for one in told)
    assert "is not trusted" in told[1]
    assert "TLS failed" in told[2]


@asynccontextmanager
async def asking(trigger: Any) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """The backlog as the adapter answers it, or the error that it answers or raises."""
    question = trigger.statistics(trigger.topic, is_partitioned=False)
    adapter = connect(question.server, Surroundings(timeout_s=PATIENT_S))

    async def ask() -> Any:
        try:
            (answer,) = await adapter.answer([question])
        except TidegateError as error:
            return error
        return answer if isinstance(answer, TidegateError) else backlog(answer, "s", question)

    try:
        yield ask
    finally:
        await adapter.close()


async def test_half_an_answer_is_a_failure_and_the_next_question_is_answered(
    broker: PulsarServer, proxy_for: ProxyFor
) -> None:
    broker.make("steady", "s")
    proxy = await proxy_for(broker.ports[1])
    async with asking(build(f"http://{proxy.address}", "steady")) as ask:
        assert await ask() == 0
        proxy.cut_after = 300
        proxy.cut()
        assert isinstance(await ask(), Unreachable)
        proxy.cut_after = None
        assert await ask() == 0


async def test_a_restarted_broker_answers_the_next_question() -> None:
    with PulsarServer() as own:
        own.make("kept", "s")
        own.publish("kept", 2)
        async with asking(build(own.admin, "kept")) as ask:
            assert await ask() == 2
            own.stop()
            assert isinstance(await ask(), Unreachable)
            own.start()
            assert await ask() == 2
