"""Queues of a real RabbitMQ that are claimed from: what the laws of all sources do not say."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from parts.claimant import Claimant, Claimants
from parts.proxy import Proxy
from parts.rabbitmq_server import RabbitmqServer
from parts.server_process import Servers
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.claims.rabbitmq_channel import MessageWire
from tidegate.connections.rabbitmq import frames
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Command, Deliveries, Done, Renewals
from tidegate.kit.systems.rabbitmq import AmqpServer
from tidegate.kit.systems.rabbitmq_claims import RabbitmqQueueSource

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("rabbitmq")]

ProxyFor = Callable[[int], Awaitable[Proxy]]
VHOST = "claims"
OTHER = "hunter2-hunter2"


@pytest.fixture(scope="module")
def broker(servers: Servers) -> RabbitmqServer:
    broker = servers.get(RabbitmqServer)
    broker.make_vhost(VHOST)
    return broker


def source(address: str, queue: str = "jobs", dead_letter: str = "", **login: str) -> RabbitmqQueueSource:
    host, _, port = address.partition(":")
    wanted = {"username": "admin", "password": RabbitmqServer.password, "vhost": VHOST, **login}
    return RabbitmqQueueSource(AmqpServer(host, int(port), **wanted), queue, dead_letter)


@pytest.fixture
def claimant(broker: RabbitmqServer, claimants: Claimants) -> Claimants:
    """Makes claimants of an empty virtual host with a queue `jobs`."""
    broker.api("DELETE", f"/vhosts/{VHOST}")
    broker.make_vhost(VHOST)
    broker.make_queue("jobs", vhost=VHOST)

    def make(holder: str = "one", address: str = "", **fields: Any) -> Claimant:
        return claimants(source(address or broker.address, **fields), holder, timeout_s=5.0)

    return make


def push(broker: RabbitmqServer, *bodies: str, **properties: Any) -> None:
    for body in bodies:
        message = {
            "properties": properties,
            "routing_key": "jobs",
            "payload": body,
            "payload_encoding": "string",
        }
        assert broker.api("POST", f"/exchanges/{VHOST}/amq.default/publish", message)["routed"]


def messages(broker: RabbitmqServer, queue: str) -> list[dict[str, Any]]:
    asked = {"count": 1000, "ackmode": "ack_requeue_true", "encoding": "base64"}
    found: list[dict[str, Any]] = broker.api("POST", f"/queues/{VHOST}/{queue}/get", asked)
    return found


def bodies(broker: RabbitmqServer, queue: str) -> list[str]:
    return [base64.b64decode(one["payload"]).decode() for one in messages(broker, queue)]


async def test_properties_come_along_and_back(broker: RabbitmqServer, claimant: Claimants) -> None:
    headers = {"kind": "csv", "number": 7, "list": [1, "a"], "table": {"x": True}}
    properties = {
        "content_type": "text/plain",
        "message_id": "m-1",
        "priority": 3,
        "timestamp": 1_700_000_000,
        "expiration": "3600000",
        "headers": headers,
    }
    push(broker, "a", **properties)
    push(broker, "b", user_id="admin")
    one = claimant()
    a, b = (await one.take(2)).items
    assert dict(a.attributes) == {
        "content-type": "text/plain",
        "message-id": "m-1",
        "kind": "csv",
    }
    await one.ask(GiveBack((a.id, b.id)))
    first, second = messages(broker, "jobs")
    assert first["properties"] == {**properties, "delivery_mode": 2}
    assert second["properties"].get("user_id") is None


async def test_a_sender_names_no_other_queue_for_what_we_move(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    # Queues that the broker adds a message to as well, by the rights of whoever publishes it: us.
    broker.make_queue("others", vhost=VHOST)
    push(broker, "a", headers={"CC": ["jobs", "others"], "kind": "csv"})
    assert bodies(broker, "jobs") == ["a"]
    assert bodies(broker, "others") == ["a"]
    one = claimant()
    (item,) = (await one.take(1)).items
    await one.ask(Release(item.id, 1, 0.0, "job"))
    (again,) = (await one.take(1)).items
    assert (again.id, again.body) == (item.id, b"a")
    assert dict(again.attributes) == {"kind": "csv"}
    assert bodies(broker, "jobs") == []
    await one.ask(GiveBack((item.id,)))
    assert bodies(broker, "jobs") == ["a"]
    assert bodies(broker, "others") == ["a"]


async def test_a_count_that_is_no_number_harms_nobody(broker: RabbitmqServer, claimant: Claimants) -> None:
    push(broker, "a")
    one = claimant()
    (item,) = (await one.take(1)).items
    headers = {"tidegate-id": "forged", "tidegate-finished": "hunter2", "tidegate-due": "-"}
    message = {"properties": {"headers": headers}, "routing_key": "tidegate.claims.one"}
    message |= {"payload": "b", "payload_encoding": "string"}
    assert broker.api("POST", f"/exchanges/{VHOST}/amq.default/publish", message)["routed"]
    assert await one.ask(Renew((item.id,)), Renew((item.id,))) == [Renewals()] * 2
    assert await one.ask(Renew((item.id,))) == [Renewals()]


async def test_what_a_stranger_adds_to_our_claims_takes_no_messages_place(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a")
    one = claimant()
    (item,) = (await one.take(1)).items
    forged = {"properties": {"headers": {"tidegate-id": item.id, "tidegate-finished": "9"}}}
    forged |= {"routing_key": "tidegate.claims.one", "payload": "b", "payload_encoding": "string"}
    assert broker.api("POST", f"/exchanges/{VHOST}/amq.default/publish", forged)["routed"]
    assert await one.ask(Renew((item.id,))) == [Renewals()]
    await one.ask(GiveBack((item.id,)))
    assert bodies(broker, "jobs") == ["a"]


async def test_who_claims_elsewhere_lets_its_claims_go_though_others_use_the_connection(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a", "b")
    one, two = claimant("one"), claimant("two")
    writers = one.writers

    async def take(user: Claimant, maximum: int) -> Any:
        command = Command(user.source, user.holder, 60.0, Take(maximum), nonce=user.holder)
        (found,) = await writers.carry_out(user.holder, [command])
        return found

    (item,) = (await take(one, 1)).items
    await take(two, 1)
    one.source = replace(one.source, server=replace(one.source.server, password=OTHER))
    broker.api("PUT", "/users/admin2", {"password": OTHER, "tags": "administrator"})
    broker.api("PUT", f"/permissions/{VHOST}/admin2", {"configure": ".*", "write": ".*", "read": ".*"})
    one.source = replace(one.source, server=replace(one.source.server, username="admin2"))
    found = await take(one, 0)
    assert isinstance(found, Deliveries), found
    assert [again.id for again in found.items] == [item.id]


@pytest.mark.parametrize("size", [130_950, 131_010, 131_064, 300_000])
async def test_headers_that_leave_no_room_for_ours_stop_nobody(
    broker: RabbitmqServer, claimant: Claimants, size: int
) -> None:
    push(broker, "a", headers={"long": "x" * size})
    push(broker, "b")
    one = claimant()
    (item,) = (await one.take(2)).items
    assert item.body == b"b"
    (error,) = await one.ask(Take(2), known=(item.id,))
    assert isinstance(error, Misconfigured)
    assert "1 of them cannot be moved" in str(error)
    push(broker, "c")
    assert [found.body for found in (await one.take(2, item.id)).items] == [b"c"]
    await one.writers.close()
    assert "x" * 100 not in str(error)
    assert sorted(bodies(broker, "jobs")) == ["a"]


async def test_a_dead_letter_says_which_message_it_was_and_lives_on(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a", expiration="3600000")
    one = claimant()
    (item,) = (await one.take(1)).items
    assert await one.ask(DeadLetter(item.id, 5, "job", "why")) == [Done()]
    (letter,) = messages(broker, "tidegate.dead.jobs")
    assert letter["properties"] == {"headers": {"tidegate-id": item.id}, "delivery_mode": 2}


async def test_a_place_for_dead_letters_that_is_not_there_is_told_and_the_message_stays(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a")
    one = claimant(dead_letter="bad")
    (item,) = (await one.take(1)).items
    (error,) = await one.ask(DeadLetter(item.id, 5, "job", "why"))
    assert isinstance(error, Misconfigured)
    assert "queue bad" in str(error)
    assert "there is no such queue" in str(error)
    assert await one.ask(Renew((item.id,))) == [Renewals()]


async def test_a_missing_queue_is_an_error_and_what_is_held_is_held_on(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a")
    one = claimant()
    (item,) = (await one.take(1)).items
    broker.drop_queue("jobs", VHOST)
    (error,) = await one.ask(Take(2), known=(item.id,))
    assert isinstance(error, Misconfigured)
    assert "there is no such queue" in str(error)
    assert await one.ask(Renew((item.id,)), Acknowledge(item.id, "job")) == [Renewals(), Done()]


async def test_two_connections_of_one_holder_never_both_know_its_claims(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a")
    one, again = claimant(), claimant()
    (item,) = (await one.take(1)).items
    (error,) = await again.ask(Acknowledge(item.id, "job"))
    assert isinstance(error, Unreachable)
    assert "another connection still holds these claims" in str(error)
    await one.writers.close()
    assert [found.id for found in (await again.take(0)).items] == [item.id]


async def test_claims_outlive_the_connection_and_nobody_else_gets_them(
    broker: RabbitmqServer, claimant: Claimants, proxy_for: ProxyFor
) -> None:
    push(broker, "a", "b", "c")
    proxy = await proxy_for(broker.port)
    one, two = claimant(address=proxy.address), claimant("two")
    first, second = (await one.take(2)).items
    await one.ask(Release(second.id, 1, 60.0, "job"))
    proxy.cut()
    assert [item.body for item in (await two.take(9)).items] == [b"c"]
    assert await one.ask(Renew((first.id,))) == [Renewals()]
    assert (await one.take(9, first.id)).items == ()


async def test_a_connection_that_is_cut_anywhere_loses_no_message(
    broker: RabbitmqServer, claimant: Claimants, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.port)
    cuts = twice = 0
    # From the login on to beyond the answers to a claim of two.
    for cut_after in range(500, 3000, 30):
        broker.api("DELETE", f"/queues/{VHOST}/jobs/contents")
        push(broker, "a", "b", "c")
        holder = f"h{cut_after}"
        proxy.cut_after = cut_after
        try:
            await claimant(holder, address=proxy.address).ask(Take(2))
            break
        except TidegateError:
            cuts += 1
        one = claimant(holder)
        found = [item.body for item in (await one.take(9)).items]
        assert set(found) == {b"a", b"b", b"c"}, cut_after
        twice += len(found) > 3
        await one.writers.close()
    else:
        raise AssertionError("it was cut in every case")
    assert cuts > 10
    assert twice < cuts / 2, "only a copy whose original was not ended is there twice"


async def test_a_hundred_are_acknowledged_in_one_exchange_on_one_connection(
    broker: RabbitmqServer, claimant: Claimants, proxy_for: ProxyFor
) -> None:
    push(broker, *map(str, range(100)))
    proxy = await proxy_for(broker.port)
    one = claimant(address=proxy.address)
    ids = [item.id for item in (await one.take(100)).items]
    assert len(ids) == 100
    before = proxy.turns
    assert await one.ask(*(Acknowledge(id, "job") for id in ids)) == [Done()] * 100
    assert proxy.turns == before + 1
    assert proxy.connections == 1
    assert (await one.take(9)).items == ()


@pytest.mark.parametrize("user", ["reader", "nobody"])
async def test_a_user_who_may_not_write_is_told_and_nothing_is_moved(
    broker: RabbitmqServer, claimant: Claimants, user: str
) -> None:
    push(broker, "a")
    rights = {"configure": "^$", "write": "^$", "read": ".*"}
    broker.api("PUT", f"/permissions/{VHOST}/{user}", rights)
    (error,) = await claimant(username=user).ask(Take(1))
    assert isinstance(error, Denied)
    assert "let the user configure and read queues whose names begin with tidegate." in str(error)
    assert bodies(broker, "jobs") == ["a"]


async def test_a_login_that_is_refused_is_told_without_it(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    with pytest.raises(Denied) as refused:
        await claimant(password="wrong-wrong").ask(Take(1))
    assert "wrong-wrong" not in str(refused.value)


async def test_claims_outlive_a_broker_that_is_killed(broker: RabbitmqServer, claimant: Claimants) -> None:
    push(broker, "a", "b", delivery_mode=1)
    one = claimant()
    (item,) = (await one.take(1)).items
    broker.kill()
    with pytest.raises(Unreachable):
        await one.ask(Renew((item.id,)))
    broker.start()
    assert [found.id for found in (await one.take(0)).items] == [item.id]


async def test_nothing_is_left_at_the_broker_of_who_claims_no_more(
    broker: RabbitmqServer, claimant: Claimants
) -> None:
    push(broker, "a")
    one = claimant()
    (item,) = (await one.take(1)).items
    await one.ask(Acknowledge(item.id, "job"))
    await one.writers.leave("user")
    await claimant("two").take(0)
    names = {queue["name"] for queue in broker.api("GET", f"/queues/{VHOST}?columns=name")}
    assert "tidegate.claims.one" not in names


async def test_a_channel_that_the_broker_closes_is_answered_at_once() -> None:
    # After its consumer timeout it says so every minute, and takes a second answer amiss.
    class Transport(asyncio.Transport):
        written = b""

        def write(self, data: Any) -> None:
            self.written += data

    wire, transport = MessageWire(), Transport()
    wire.connection_made(transport)
    wire.data_received(frames.method(1, frames.CHANNEL_CLOSE, struct.pack(">HBHH", 406, 0, 0, 0)))
    assert transport.written == frames.method(1, frames.CHANNEL_CLOSE_OK)
    assert wire.at_hand() is not None


async def test_a_stream_cannot_be_claimed_from_and_cuts_nobody_else_off_again(
    broker: RabbitmqServer, claimants: Claimants, claimant: Claimants, proxy_for: ProxyFor
) -> None:
    stream = {"durable": True, "arguments": {"x-queue-type": "stream"}}
    broker.api("PUT", f"/queues/{VHOST}/log", stream)
    push(broker, "a")
    proxy = await proxy_for(broker.port)
    other = claimant(address=proxy.address)
    (item,) = (await other.take(1)).items

    async def asked() -> Any:
        """The same connection's."""
        command = Command(source(proxy.address, "log"), "two", 60.0, Take(1), (), "n")
        (found,) = await other.writers.carry_out("two", [command])
        return found

    with pytest.raises(Unsupported, match="cannot be claimed from: it gives no single messages"):
        await asked()
    for _ in range(3):
        assert isinstance(await asked(), Unsupported)
    # The broker ended the connection, once: what was claimed over it is held over the next one.
    assert await other.renew(item.id)
    assert proxy.connections == 2
    assert await other.ask(Acknowledge(item.id, "job")) == [Done()]
