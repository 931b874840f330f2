"""The nsq trigger against real nsqlookupds and nsqds, and behind a proxy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.nsq_server import Nsq
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.scalers.nsq import NsqChannel

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("nsq")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def nsq(servers: Servers) -> Nsq:
    """Topic `orders` on both nsqds; `paused` has a paused channel; `bare` has none."""
    nsq = servers.get(Nsq)
    for number in (0, 1):
        nsq.make("orders", "invoices", on=number)
        nsq.publish("orders", 3 + number, on=number)
    nsq.make("paused", "invoices", "open")
    nsq.daemons[0].call("POST", "/channel/pause?topic=paused&channel=invoices")
    nsq.publish("paused", 5)
    nsq.make("bare")
    nsq.publish("bare", 2)
    return nsq


def build(address: str, topic: str = "orders", channel: str = "invoices", **more: str) -> Any:
    texts = {"nsqLookupdHTTPAddresses": address, "topic": topic, "channel": channel, **more}
    made = reading.build(NsqChannel, Trigger(type="nsq", metadata=texts), Sources(texts, {}, {}), Scope("s"))
    assert isinstance(made, NsqChannel), made
    return made


async def test_what_waits_is_added_up_over_all_nsqds(nsq: Nsq) -> None:
    lookup = nsq.lookup.address
    wanted = {
        ("orders", "invoices"): 7,
        ("orders", "new"): 0,
        ("paused", "invoices"): 0,
        ("paused", "open"): 5,
        ("bare", "invoices"): 2,
        ("nowhere", "invoices"): 0,
    }
    round = await one_round([build(lookup, topic, channel) for topic, channel in wanted])
    assert dict(zip(wanted, round.values, strict=True)) == wanted


async def test_a_thousand_triggers_are_one_request_to_each(nsq: Nsq, proxy_for: ProxyFor) -> None:
    topics = [f"many-{number}" for number in range(20)]
    for topic in topics:
        nsq.make(topic)
        nsq.publish(topic, 1, on=0)
    proxy = await proxy_for(nsq.lookup.port)
    triggers = [build(proxy.address, topics[n % 20], f"c{n}", depthThreshold=str(n + 1)) for n in range(1000)]
    triggers += [build(proxy.address, "orders", "invoices")]
    round = await one_round(triggers)
    assert round.values == [1] * 1000 + [7]
    assert round.requests == {
        f"nsqlookupd http://{proxy.address}": 1,
        f"nsqd http://{nsq.daemons[0].address}": 1,
        f"nsqd http://{nsq.daemons[1].address}": 1,
    }
    assert proxy.requests == ["GET /nodes"]


async def test_a_topic_that_was_given_up_by_an_nsqd_is_not_asked_for_there(nsq: Nsq) -> None:
    nsq.make("moved", "invoices", on=0)
    nsq.publish("moved", 4, on=0)
    assert (await one_round([build(nsq.lookup.address, "moved")])).values == [4]
    nsq.lookup.call("POST", f"/topic/tombstone?topic=moved&node={nsq.daemons[0].address}")
    assert (await one_round([build(nsq.lookup.address, "moved")])).values == [0]


async def test_one_nsqlookupd_or_nsqd_that_does_not_answer_makes_the_number_unknown(nsq: Nsq) -> None:
    async with faults.nobody() as bad:
        (said,) = (await one_round([build(f"{nsq.lookup.address},{bad.address}")])).values
        assert "cannot find the nsqds on nsqlookupd" in said
        assert bad.address in said
    with Nsq() as own:
        own.make("orders", "invoices", on=0)
        own.make("orders", "invoices", on=1)
        own.publish("orders", 3, on=0)
        own.daemons[1].freeze()
        (said,) = (await one_round([build(own.lookup.address)], timeout_s=0.5)).values
        assert f"cannot read the depths on nsqd http://{own.daemons[1].address}: no answer within" in said
        own.daemons[1].thaw()
        assert (await one_round([build(own.lookup.address)])).values == [3]


async def test_after_a_restart_the_next_round_finds_all_again() -> None:
    with Nsq() as own:
        own.make("orders", "invoices")
        own.publish("orders", 6)
        assert (await one_round([build(own.lookup.address)])).values == [6]
        for part in (own.lookup, own.daemons[0]):
            part.stop()
            assert (await one_round([build(own.lookup.address)])).values != [6]
            part.start()
        own.until_known("orders")
        assert (await one_round([build(own.lookup.address)])).values == [6]


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        (one,) = (await one_round([build(bad.address)], timeout_s=0.3)).readings
    assert one.failure is not None
    assert one.failure.kind == "Unreachable"
    assert bad.address in one.failure.message


async def test_tls_to_a_plain_port_and_a_name_that_is_none_are_told(nsq: Nsq) -> None:
    (said,) = (await one_round([build(nsq.lookup.address, useHttps="true")])).values
    assert "TLS" in said
    (said,) = (await one_round([build(f"{faults.NOWHERE}:4161")])).values
    assert faults.NOWHERE in said


async def test_tls_is_spoken_to_nsqlookupd_and_an_unknown_authority_is_refused(nsq: Nsq) -> None:
    async with faults.in_tls(nsq.lookup.port) as front:
        (said,) = (await one_round([build(front.address, "nowhere", useHttps="true")])).values
        assert "its certificate is not trusted" in said
        round = await one_round([build(front.address, "nowhere", useHttps="true", unsafeSsl="true")])
        assert round.values == [0]


async def test_what_is_cut_or_garbled_is_no_number(nsq: Nsq, proxy_for: ProxyFor) -> None:
    proxy = await proxy_for(nsq.lookup.port)
    proxy.cut_after = 200
    (said,) = (await one_round([build(proxy.address)])).values
    assert "cannot find the nsqds" in said
    proxy.cut_after, proxy.mode = None, "garble"
    (said,) = (await one_round([build(proxy.address)])).values
    assert "cannot find the nsqds" in said


@pytest.mark.parametrize(
    ("body", "status"),
    [(b'{"message": "hunter2"}', "500 X"), (b"hunter2", "200 OK"), (b'{"a": "hunter2"}', "200 OK")],
)
async def test_a_strange_answer_is_a_failure_without_its_words(body: bytes, status: str) -> None:
    async with faults.answering(body, status) as bad:
        (one,) = (await one_round([build(bad.address)])).readings
    assert one.failure is not None
    assert "hunter2" not in one.failure.message


async def test_an_answer_of_ten_megabytes_is_read_and_a_longer_one_is_not() -> None:
    async with faults.huge(b'{"producers": null, "x": "', b'"}') as bad:
        assert (await one_round([build(bad.address)])).values == [0]
    async with faults.huge(b'{"producers": null, "x": "', b'"}', size=34 << 20) as bad:
        (said,) = (await one_round([build(bad.address)])).values
        assert "larger than 32 MiB" in said
