"""Consumers of a real NATS server that are claimed from: leases are the server's, and it names no holder."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from parts import faults
from parts.claimant import Claimant, Claimants
from parts.nats_consumer import NatsConsumer
from parts.nats_logins import PASSWORD, Guarded
from parts.nats_server import NatsCluster
from parts.nats_server import NatsServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.waiting import until_so, wait_until
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.nats.dead_letters import put_aside
from tidegate.connections.claims.nats.fetching import fetch
from tidegate.connections.claims.nats.receipts import read_receipt
from tidegate.connections.nats.opening import opened
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Delivery, Done, NotYet, Renewals
from tidegate.kit.systems.nats_claims import NatsConsumerSource
from tidegate.kit.systems.nats_client import NatsLogin, NatsServer
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("nats")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def started() -> Iterator[NatsConsumer]:
    with Process() as server:
        yield NatsConsumer(server)


@pytest.fixture
def jobs(started: NatsConsumer) -> NatsConsumer:
    started.empty()
    return started


@pytest.fixture
def claimant(started: NatsConsumer, claimants: Claimants) -> Claimants:
    """Claimants of the consumer `workers`, or of one of that name elsewhere."""

    def make(
        *addresses: str,
        lease_s: float = 0.5,
        dead_letter: str = "bad",
        timeout_s: float = 3.0,
        like: Claimant | None = None,
        **login: Any,
    ) -> Claimant:
        server = NatsServer(addresses or (f"127.0.0.1:{started.port}",), **login)
        source = NatsConsumerSource(server, "jobs", "workers", dead_letter, ("SHOP",))
        receipts = like.receipts.items() if like else ()
        return claimants(source, lease_s=lease_s, receipts=receipts, timeout_s=timeout_s)

    return make


async def taken(one: Claimant, maximum: int, *known: str) -> tuple[Delivery, ...]:
    """The messages that were claimed."""
    return (await one.take(maximum, *known)).items


async def refusal(one: Claimant) -> TidegateError:
    """Why it cannot claim."""
    with pytest.raises(TidegateError) as refused:
        await one.ask(Take(1))
    return refused.value


# --- messages


async def test_a_message_comes_with_its_bytes_its_headers_and_where_it_was_sent(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    body = b"\0" + b"x" * (2**20 - 200)
    jobs.push(body, headers=b"NATS/1.0\r\nKind: csv\r\nKind: other\r\nsubject: mine\r\n\r\n")
    (item,) = await taken(claimant(), 1)
    assert item.body == body
    said = dict(item.attributes)
    assert (said["Kind"], said["subject"], said["sequence"]) == ("csv", "jobs.csv", item.id.split("-")[0])
    assert said["stored"].endswith("Z")
    assert "x" * 100 not in repr(item)


async def test_many_messages_are_a_few_requests_on_one_connection(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.push(*(b"%d" % number for number in range(100)))
    one = claimant()
    before = jobs.server.page("/varz")
    items = await taken(one, 60)
    assert [int(item.body) for item in items] == list(range(60))
    # What the consumer is; who we are; who keeps dead letters; three pieces of 20.
    after = jobs.server.page("/varz")
    assert after["in_msgs"] - before["in_msgs"] == 6
    ids = tuple(item.id for item in items)
    assert await one.ask(Renew(ids)) == [Renewals()]
    assert jobs.server.page("/varz")["in_msgs"] - after["in_msgs"] == 61
    assert await one.ask(*(Acknowledge(id, "") for id in ids)) == [Done()] * 60
    assert jobs.server.page("/varz")["total_connections"] - before["total_connections"] == 1
    assert jobs.kept() == 0


async def test_no_more_is_delivered_than_there_is_room_for(jobs: NatsConsumer, claimant: Claimants) -> None:
    jobs.configure(60.0, max_ack_pending=3)
    jobs.push(*(b"%d" % number for number in range(5)))
    one = claimant()
    items = await taken(one, 5)
    assert [item.body for item in items] == [b"0", b"1", b"2"]
    await one.ask(*(Acknowledge(item.id, "") for item in items))
    # A request that had stayed at the server would have been given these two, and nobody would know.
    assert jobs.info()["num_ack_pending"] == 0
    assert [item.body for item in await taken(one, 5)] == [b"3", b"4"]


async def test_a_consumer_that_was_made_anew_gives_other_messages(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.push(b"a")
    one = claimant()
    (item,) = await taken(one, 1)
    jobs.server.ask("$JS.API.CONSUMER.DELETE.jobs.workers")
    assert await one.ask(Renew((item.id,)), Acknowledge(item.id, "")) == [Renewals((item.id,)), Done()]
    assert await one.ask(Release(item.id, 1, 0.0, "")) == [Done(is_uncounted=True)]
    jobs.configure()
    two = claimant()
    (again,) = await taken(two, 1)
    assert again.body == b"a"
    assert again.id != item.id
    # The old receipt is that of another life: nothing is done in its name.
    old = claimant(like=one)
    told = await old.ask(Renew((item.id,)), Acknowledge(item.id, ""), DeadLetter(item.id, 5, "", ""))
    assert told == [Renewals((item.id,)), Done(), Done(is_elsewhere=True)]
    assert (jobs.kept(), jobs.dead()) == (1, [])


async def test_after_a_restart_of_the_server_claims_go_on(claimant: Claimants) -> None:
    with Process() as server:
        jobs = NatsConsumer(server)
        jobs.push(b"a", b"b")
        one = claimant(f"127.0.0.1:{server.port}")
        first, second = await taken(one, 2)
        server.stop()
        with pytest.raises(Unreachable):
            await one.ask(Renew((first.id,)))
        server.start()
        assert await one.ask(Renew((first.id, second.id))) == [Renewals()]
        assert await one.ask(Acknowledge(first.id, ""), Release(second.id, 1, 0.0, "")) == [
            Done(),
            Done(is_uncounted=True),
        ]
        assert [item.id for item in await taken(one, 1)] == [second.id]


async def test_what_a_server_forgot_in_a_crash_that_it_gave_away_comes_again(claimant: Claimants) -> None:
    with Process() as server:
        jobs = NatsConsumer(server)
        jobs.push(b"a", b"b", b"c")
        one = claimant(f"127.0.0.1:{server.port}")
        first, second, third = await taken(one, 3)
        server.kill()
        # What it had not written yet: a crash takes this much, or less.
        for written in server.folder.rglob("obs/workers/o.dat"):
            written.unlink()
        server.start()
        assert await one.ask(Renew((third.id,))) == [Renewals((third.id,))]
        told = await one.ask(
            Acknowledge(first.id, ""), Release(second.id, 1, 0.0, ""), DeadLetter(third.id, 5, "", "")
        )
        assert told == [NotYet(), Done(is_uncounted=True), NotYet()]
        assert jobs.dead() == []
        again = await taken(one, 3)
        assert [item.id for item in again] == [first.id, second.id, third.id]
        assert await one.ask(Acknowledge(first.id, "")) == [Done()]


# --- leases that may be over


async def test_what_another_may_have_is_left_to_it(jobs: NatsConsumer, claimant: Claimants) -> None:
    """The server takes a release of anybody, so it is not said once a lease was over."""
    jobs.configure(0.5)
    jobs.push(b"a", b"b", b"c")
    one, two = claimant(), claimant(lease_s=0.5)
    ids = tuple(item.id for item in await taken(one, 3))
    await asyncio.sleep(0.6)
    others: list[Delivery] = []

    async def have_come() -> bool:
        others.extend(await taken(two, 3))
        return len(others) == 3

    await until_so(have_come)
    jobs.configure(60.0)
    assert await two.ask(Renew(ids)) == [Renewals()]
    told = await one.ask(
        Renew(ids), Release(ids[0], 1, 0.0, "job"), DeadLetter(ids[1], 5, "job", ""), GiveBack((ids[2],))
    )
    assert told == [Renewals(ids), Done(is_uncounted=True), NotYet(), Done()]
    assert (jobs.kept(), jobs.dead(), await taken(two, 6, *ids)) == (3, [], ())
    # What is done is done, whoever has it.
    assert await one.ask(Acknowledge(ids[0], "job")) == [Done()]
    assert jobs.kept() == 2


async def test_who_comes_anew_does_not_know_whether_it_was_away_for_too_long(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.push(b"a", b"b")
    one = claimant()
    first, second = await taken(one, 2)
    after = claimant(like=one)
    (resumed,) = await after.ask(Take(0))
    assert dict(resumed.held) == one.receipts
    assert await after.ask(DeadLetter(first.id, 5, "job", "")) == [NotYet()]
    assert await after.ask(Release(second.id, 1, 0.0, "job")) == [Done(is_uncounted=True)]
    assert (jobs.kept(), jobs.dead()) == (2, [])
    jobs.configure(0.5)
    found: dict[str, Delivery] = {}

    async def have_come() -> bool:
        found.update({item.id: item for item in await taken(after, 2)})
        return set(found) == {first.id, second.id}

    await until_so(have_come)
    jobs.configure(60.0)
    await after.ask(Renew((first.id, second.id)))
    assert await after.ask(DeadLetter(first.id, 5, "job", "")) == [Done()]
    assert jobs.dead() == [b"a"]


async def test_a_receipt_that_somebody_has_made_up_is_said_nothing_to(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.push(b"a", b"b")
    one = claimant()
    first, second = await taken(one, 2)
    heard = jobs.server.page("/varz")["in_msgs"]
    for made_up in (
        "jobs.csv",
        "$JS.API.STREAM.DELETE.jobs",
        "$JS.ACK.bad.x.1.1.1.1.0",
        one.receipts[second.id],
    ):
        one.receipts[first.id] = made_up
        assert await one.ask(Renew((first.id,))) == [Renewals((first.id,))]
        await one.ask(Release(first.id, 1, 0.0, ""), Acknowledge(first.id, ""))
    assert jobs.server.page("/varz")["in_msgs"] - heard == 8, "the consumer alone was asked about"
    assert jobs.kept() == 2


@pytest.mark.parametrize(
    ("subject", "read"),
    [
        ("$JS.ACK.jobs.workers.2.7.9.1796083668059644513.3", ("jobs", "workers", 2, 7, 1796083668059644513)),
        ("$JS.ACK._.aB3.jobs.workers.2.7.9.17.3.x", ("jobs", "workers", 2, 7, 17)),
        ("$JS.ACK.hub.aB3.jobs.workers.2.7.9.17.3", ("jobs", "workers", 2, 7, 17)),
        ("$JS.ACK.jobs.workers.2.7.9.17", None),
        ("$JS.ACK.jobs.workers.2.7.9.1x.3", None),
        ("$JS.ACK.jobs.workers.2.7.9.17.3 INBOX", None),
        ("$JS.ACK.jobs.workers.2.7.9.17.3\r\nPUB x 0", None),
        ("", None),
    ],
)
def test_the_reply_subject_says_which_delivery_it_is(subject: str, read: Any) -> None:
    found = read_receipt(subject)
    one = found and (found.stream, found.consumer, found.deliveries, found.sequence, found.stored_ns)
    assert one == read


# --- dead letters


async def test_a_dead_letter_keeps_its_headers_and_is_there_once_however_often_it_is_sent(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.push(b"a\0", headers=b"NATS/1.0\r\nKind: csv\r\nNats-Msg-Id: 7\r\n\r\n")
    one = claimant()
    (item,) = await taken(one, 1)

    async def has_come() -> bool:
        return bool(await taken(one, 1))

    for again in range(2):
        # As after a crash before the original was ended: it is published once more.
        if again:
            one = claimant(like=one)
            jobs.configure(0.5)
            await until_so(has_come)
            jobs.configure()
            await one.ask(Renew((item.id,)))
        source = jobs.server.ask("$JS.API.STREAM.INFO.jobs")["state"]["messages"]
        assert source == 1
        wire = await opened(one.source.server, Surroundings())
        receipt = read_receipt(one.receipts[item.id])
        assert receipt is not None
        await put_aside(wire, one.source, receipt, item.id, "put a message aside")
        await wire.close()
    assert await one.ask(DeadLetter(item.id, 5, "job", "why")) == [Done()]
    (kept,) = jobs.messages("bad")
    headers = base64.b64decode(kept["hdrs"]).decode()
    assert base64.b64decode(kept["data"]) == b"a\0"
    for line in (
        "Kind: csv",
        f"tidegate-id: {item.id}",
        "tidegate-subject: jobs.csv",
        "tidegate-stream: jobs",
    ):
        assert f"\r\n{line}\r\n" in headers
    assert headers.count("Nats-Msg-Id") == 1
    assert jobs.unclaimed() == []
    assert jobs.server.ask("$JS.API.STREAM.INFO.jobs")["state"]["messages"] == 0


async def test_the_longest_message_can_be_put_aside_too(jobs: NatsConsumer, claimant: Claimants) -> None:
    jobs.push(b"x" * 2**20)
    one = claimant()
    (item,) = await taken(one, 1)
    assert await one.ask(DeadLetter(item.id, 5, "job", "why")) == [Done()]
    assert [len(body) for body in jobs.dead()] == [2**20]


async def test_without_a_place_dead_letters_stay_in_a_stream_that_keeps_them(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.server.make("bad", "workers")
    jobs.server.ask("bad", b"a")
    one = claimant(dead_letter="")
    one.source = NatsConsumerSource(one.source.server, "bad", "workers")
    (item,) = await taken(one, 1)
    assert await one.ask(DeadLetter(item.id, 5, "job", "why")) == [Done()]
    assert await taken(one, 1) == ()
    assert jobs.dead() == [b"a"]
    jobs.server.ask("$JS.API.CONSUMER.DELETE.bad.workers")
    told = str(await refusal(claimant(dead_letter="")))
    assert "a dead letter would be lost; let tidegate.dev/claim-dead-letter name a subject" in told


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("nobody.keeps", "no stream keeps what is published to nobody.keeps"),
        ("jobs.bad", "dead letters would be claimed again"),
    ],
)
async def test_a_place_that_would_lose_dead_letters_or_give_them_again_is_refused(
    jobs: NatsConsumer, claimant: Claimants, subject: str, words: str
) -> None:
    jobs.push(b"a")
    error = await refusal(claimant(dead_letter=subject))
    assert isinstance(error, Misconfigured)
    assert words in str(error)
    assert jobs.unclaimed() == [b"a"]


# --- what cannot be claimed


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"deliver_subject": "x"}, "a push consumer"),
        ({"ack_policy": "none"}, "AckPolicy explicit"),
        ({"ack_policy": "all"}, "AckPolicy explicit"),
        ({"headers_only": True}, "headers alone"),
        ({"max_deliver": 5}, "let its MaxDeliver be -1"),
        ({"ack_wait": 10**9}, "let tidegate.dev/claim-lease be at most 1, or the AckWait longer"),
        ({"priority_policy": "overflow", "priority_groups": ["a"]}, "priority groups"),
    ],
)
async def test_a_consumer_that_cannot_be_claimed_from_is_told_and_nothing_is_taken(
    jobs: NatsConsumer, claimant: Claimants, form: dict[str, Any], words: str
) -> None:
    server = jobs.server
    server.make("bad")
    server.ask("bad", b"a")
    config = {"durable_name": "odd", "ack_policy": "explicit", **form}
    server.ask("$JS.API.CONSUMER.DURABLE.CREATE.bad.odd", {"stream_name": "bad", "config": config})
    one = claimant(dead_letter="", lease_s=20.0)
    one.source = NatsConsumerSource(one.source.server, "bad", "odd")
    try:
        error = await refusal(one)
        found = server.ask("$JS.API.CONSUMER.INFO.bad.odd")
    finally:
        server.ask("$JS.API.CONSUMER.DELETE.bad.odd")
    assert isinstance(error, Misconfigured)
    assert words in str(error)
    assert found["delivered"]["consumer_seq"] == 0


async def test_what_is_not_there_and_a_login_of_another_account_are_told(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    one = claimant()
    for stream, consumer, words in (("jobs", "nobody", "no such consumer"), ("none", "x", "no such stream")):
        one.source = NatsConsumerSource(one.source.server, stream, consumer, "bad")
        assert words in str(await refusal(one))
    jobs.server.make("jobs", "workers", user="other")
    other = claimant(login=NatsLogin("other", "pw"))
    assert "the login belongs to another account" in str(await refusal(other))


# --- the wire


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(claimant: Claimants, fault: Any) -> None:
    async with fault() as bad:
        error = await refusal(claimant(bad.address, timeout_s=0.3))
    assert isinstance(error, Unreachable)
    assert bad.address in str(error)


async def test_of_several_servers_the_first_that_answers_is_asked(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    jobs.push(b"a")
    async with faults.nobody() as bad:
        (item,) = await taken(claimant(bad.address, f"127.0.0.1:{jobs.port}"), 1)
    assert item.body == b"a"


async def test_a_connection_that_is_cut_is_opened_again_and_asked_once_more(
    jobs: NatsConsumer, claimant: Claimants, proxy_for: ProxyFor
) -> None:
    jobs.push(b"a")
    proxy = await proxy_for(jobs.port)
    one = claimant(proxy.address, timeout_s=0.5)
    (item,) = await taken(one, 1)
    proxy.cut()
    assert await one.ask(Renew((item.id,))) == [Renewals()]
    assert proxy.connections == 2
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
        await one.ask(Renew((item.id,)))
    proxy.mode = "pass"
    assert await one.ask(Renew((item.id,))) == [Renewals()]
    proxy.mode = "garble"
    with pytest.raises(TidegateError):
        await one.ask(Renew((item.id,)))
    proxy.mode = "pass"
    assert await one.ask(Acknowledge(item.id, "")) == [Done()]
    await one.close()
    await one.close()


GREETING = b'INFO {"max_payload": 1000}\r\nPONG\r\n'


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO hunter2\r\n",
        b"INFO []\r\n",
        b"x" * (11 << 20),
        GREETING + b"MSG hunter2 1 -5\r\n",
        GREETING + b"MSG hunter2 1 99999999999\r\n",
        GREETING + b"HMSG hunter2 1 4 4\r\nabcd\r\n",
        GREETING + b"HELLO hunter2\r\n",
    ],
)
async def test_what_is_not_the_protocol_is_told_without_its_words(claimant: Claimants, said: bytes) -> None:
    error = await refused_by(claimant, said)
    assert isinstance(error, Malformed)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (GREETING + b"-ERR 'Authorization Violation hunter2'\r\n", Denied),
        (GREETING + b"-ERR 'Stale Connection hunter2'\r\n", Unreachable),
        (b"INFO {}\r\n-ERR 'maximum connections exceeded hunter2'\r\n", Unreachable),
        (b"INFO {}\r\n-ERR 'Authorization Violation hunter2'\r\n", Denied),
    ],
)
async def test_an_error_of_the_server_is_told_without_its_words(
    claimant: Claimants, said: bytes, kind: type[TidegateError]
) -> None:
    error = await refused_by(claimant, said)
    assert isinstance(error, kind)
    assert "hunter2" not in str(error)


async def refused_by(claimant: Claimants, said: bytes) -> TidegateError:
    """What is told of a server that says this as soon as it is connected to."""

    writers: list[asyncio.StreamWriter] = []

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(said)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            return await refusal(claimant(f"127.0.0.1:{port}", timeout_s=1.0))
        finally:
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0)


async def test_what_looks_like_a_status_and_can_be_answered_is_a_message() -> None:
    """Servers before 2.15 hand on whatever stands in the first line of a sender's headers."""
    head = b"NATS/1.0 404 No Messages\r\nKind: csv\r\n\r\n"
    receipt = b"$JS.ACK.jobs.workers.1.7.1.17.0"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO {}\r\nPONG\r\n")
        while not (line := await reader.readline()).startswith(b"PUB $JS.API.CONSUMER.MSG.NEXT"):
            number = line.split()[-1]
        words = receipt, len(head), len(head) + 1
        writer.write(b"HMSG jobs.csv %s %s %d %d\r\n%sa\r\n" % (number, *words, head))
        writer.write(b"HMSG x %s 16 16\r\nNATS/1.0 404\r\n\r\n\r\n" % number)
        await reader.read()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source = NatsConsumerSource(NatsServer((address,)), "jobs", "workers")
        wire = await opened(source.server, Surroundings())
        try:
            (came,) = await fetch(wire, source, 5, is_tight=False)
        finally:
            await wire.close()
    assert (came.body, came.headers) == (b"a", (("Kind", "csv"),))


# --- logins


@pytest.mark.parametrize("way", ["user", "token", "nkey", "creds"])
async def test_every_way_to_log_in_leads_in_and_a_wrong_one_does_not(claimant: Claimants, way: str) -> None:
    with Guarded(way) as server:
        address = f"127.0.0.1:{server.port}"
        right, wrong = server.logins()
        error = await refusal(claimant(address, login=right))
        # The account of the credentials has no JetStream.
        assert ("nobody answers for JetStream" if way == "creds" else "no such stream") in str(error)
        for login in (wrong, NatsLogin()):
            error = await refusal(claimant(address, login=login))
            assert isinstance(error, Denied)
            assert "check natsUser" in str(error)
            for secret in (login.password, login.token, login.seed, login.jwt):
                assert not secret or secret not in f"{error} {login!r}"


async def test_what_a_user_may_not_do_is_told_with_the_subject_at_once(claimant: Claimants) -> None:
    everything = f"{{user: admin, password: {PASSWORD}}}"
    denying = '{deny: ["$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.STREAM.NAMES", "$SYS.>"]}'
    rules = f"{everything}, {{user: shop, password: {PASSWORD}, permissions: {{publish: {denying}}}}}"
    with Guarded(rules=rules) as server:
        jobs = NatsConsumer(server, user="admin", password=PASSWORD)
        jobs.push(b"a")
        one = claimant(f"127.0.0.1:{server.port}", login=NatsLogin("shop", PASSWORD), timeout_s=30.0)
        error = await refusal(one)
        assert isinstance(error, Denied)
        assert "the user may not publish to $JS.API.STREAM.NAMES" in str(error)
        one.source = NatsConsumerSource(one.source.server, "jobs", "workers", "", ("SHOP",))
        jobs.make_kept()
        error = await refusal(one)
        assert "the user may not publish to $JS.API.CONSUMER.MSG.NEXT.jobs.workers" in str(error)


async def test_tls_is_spoken_where_the_server_wants_it_and_nothing_is_said_without_where_we_do(
    jobs: NatsConsumer, claimant: Claimants
) -> None:
    trusted = Tls(ca=faults.authority().cert_pem.bytes().decode())
    with Guarded(is_tls=True) as server:
        address, login = f"127.0.0.1:{server.port}", server.logins()[0]
        for is_tls in (True, False):
            one = claimant(address, login=login, is_tls=is_tls, tls=trusted)
            assert "no such stream" in str(await refusal(one))
        error = await refusal(claimant(address, login=login))
        assert isinstance(error, Unreachable)
        assert "its certificate is not trusted" in str(error)
    error = await refusal(claimant(is_tls=True))
    assert isinstance(error, Unreachable)
    assert "it speaks no TLS on this port" in str(error)


async def test_in_a_cluster_claims_go_on_when_another_node_leads(
    servers: Servers, claimant: Claimants
) -> None:
    own = servers.get(NatsCluster)
    jobs = NatsConsumer(own.nodes[0], copies=3)
    own.settle("workers", "jobs")
    jobs.push(b"a", b"b")
    one = claimant(*(f"{node.host}:{node.port}" for node in own.nodes), timeout_s=2.0)
    first, second = await taken(one, 2)
    leader = own.leader("jobs", "workers")
    jobs.ask("$JS.API.CONSUMER.LEADER.STEPDOWN.jobs.workers")
    wait_until(lambda: own.leader("jobs", "workers") not in (None, leader), "another one leads", 30)

    async def is_renewed() -> bool:
        try:
            return await one.ask(Renew((first.id, second.id))) == [Renewals()]
        except Unreachable:
            return False

    await until_so(is_renewed)
    done = [Done(), Done(is_uncounted=True)]
    assert await one.ask(Acknowledge(first.id, ""), Release(second.id, 1, 0.0, "")) == done
    again: list[Delivery] = []

    async def has_come() -> bool:
        again.extend(await taken(one, 1))
        return bool(again)

    await until_so(has_come)
    assert [item.id for item in again] == [second.id], "identities outlive a leader"
