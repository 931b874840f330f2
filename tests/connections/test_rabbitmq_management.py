"""A real RabbitMQ's management API: listings, patterns, logins, and everything a network does to us."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.example_programs import example_program
from parts.proxy import Proxy
from parts.rabbitmq_server import RabbitmqServer
from parts.server_process import Servers
from parts.waiting import until, wait_until
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.rabbitmq import connect as connect_to
from tidegate.connections.rabbitmq.management import ManagementConnection
from tidegate.kit.systems.http import HttpLogin, HttpServer, OAuthClient, basic
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.rabbitmq import ManagementServer, MatchingQueues, QueueState, QueueStats
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("rabbitmq")]

Connect = Callable[..., ManagementConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]
ANY = ManagementServer(HttpServer("http://any"))
VHOST = "/stats"


def said(broker: RabbitmqServer, vhost: str = VHOST) -> dict[str, Any]:
    """What the broker says of each queue by now; a queue without a number of messages is left out."""
    listed = broker.api("GET", f"/queues/{vhost.replace('/', '%2F')}")
    return {one["name"]: one for one in listed if "messages" in one}


@pytest.fixture(scope="module")
def broker(servers: Servers) -> RabbitmqServer:
    """Its virtual host `/stats` has queues that nobody consumes, as the broker has told by now."""
    broker = servers.get(RabbitmqServer)
    broker.make_vhost(VHOST)
    broker.api("PUT", "/permissions/%2Fstats/reader", {"configure": ".*", "write": "", "read": ".*"})
    wanted = {"jobs": 3, "Jobs-2": 2, "empty": 0, "größe a/b": 1}
    for name, messages in wanted.items():
        broker.make_queue(name, messages, VHOST)

    def is_told() -> bool:
        found = said(broker)
        return {name: found[name]["messages"] for name in wanted if name in found} == wanted

    wait_until(is_told, "the broker's word on its queues", 20.0)
    return broker


MANY_QUEUES = [f"q{n}" for n in range(520)]


@pytest.fixture(scope="module")
def many(broker: RabbitmqServer) -> str:
    """A virtual host with more queues than go onto one page."""
    broker.make_vhost("many")
    broker.api("PUT", "/permissions/many/reader", {"configure": ".*", "write": "", "read": ".*"})
    for name in MANY_QUEUES:
        broker.api("PUT", f"/queues/many/{name}", {"durable": False})
    wait_until(lambda: len(said(broker, "many")) == len(MANY_QUEUES), "its word on many queues", 60.0)
    return "many"


@pytest.fixture
async def connect(broker: RabbitmqServer) -> AsyncIterator[Connect]:
    """Makes adapters: `connect(address, username=…, timeout_s=…)`; they end with the test."""
    made: list[Any] = []

    def make(
        address: str = "",
        *,
        prefix: str = "",
        timeout_s: float = 5.0,
        username: str = "reader",
        password: str = broker.password,
        **of_server: Any,
    ) -> Any:
        origin = address if "://" in address else f"http://{address or broker.management}"
        login = {"login": HttpLogin((basic(username, password),))}
        server = HttpServer(origin, name="RabbitMQ", **{**login, **of_server})
        made.append(connect_to(ManagementServer(server, prefix), Surroundings(timeout_s=timeout_s)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def states(*queues: str, vhost: str = VHOST) -> list[QueueState]:
    return [QueueState(ANY, vhost, queue) for queue in queues]


def matching(pattern: str, limit: int = 100, vhost: str = VHOST) -> MatchingQueues:
    return MatchingQueues(ANY, vhost, pattern, limit)


FEW = ("jobs", "empty")
MANY = ("jobs", "empty", "Jobs-2", "größe a/b")
LENGTHS = {"jobs": 3, "empty": 0, "Jobs-2": 2, "größe a/b": 1}


def lengths(answers: Any) -> list[float]:
    assert all(isinstance(one, QueueStats) for one in answers), answers
    return [one.messages for one in answers]


@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_each_queue_has_its_messages(connect: Connect, names: tuple[str, ...]) -> None:
    adapter = connect()
    for _ in range(3):
        answers = await adapter.answer(states(*names))
        assert lengths(answers) == [LENGTHS[name] for name in names]
        assert [one.ready for one in answers] == [LENGTHS[name] for name in names]


@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_a_missing_queue_fails_alone_and_is_no_zero(connect: Connect, names: tuple[str, ...]) -> None:
    adapter = connect()
    for _ in range(2):
        *found, none = await adapter.answer(states(*names, "none"))
        assert lengths(found) == [LENGTHS[name] for name in names]
        assert isinstance(none, Misconfigured)
        assert "queue none" in str(none)
        assert "no such queue" in str(none)


async def test_a_thousand_triggers_are_one_listing(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    adapter = connect(proxy.address)
    questions = states(*MANY, *(f"none-{n}" for n in range(996)))
    assert adapter.batch == len(questions)
    assert lengths((await adapter.answer(questions))[:4]) == list(LENGTHS.values())
    proxy.requests.clear()
    for _ in range(3):
        assert lengths((await adapter.answer(questions))[:4]) == list(LENGTHS.values())
    assert len(proxy.requests) == 3
    assert {one.partition("?")[0] for one in proxy.requests} == {"GET /api/queues/%2Fstats"}
    assert (proxy.connections, proxy.open) == (1, 1)


async def test_each_virtual_host_is_one_listing(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    broker.make_queue("jobs", 1)
    await until(lambda: said(broker, "/").get("jobs", {}).get("messages") == 1, 20.0)
    adapter = connect(proxy.address, username="admin")
    answers = await adapter.answer([*states(*MANY), *states("jobs", "none", "none-2", "none-3", vhost="/")])
    assert lengths(answers[:5]) == [*LENGTHS.values(), 1]
    assert sorted(one.partition("?")[0] for one in proxy.requests) == [
        "GET /api/queues/%2F",
        "GET /api/queues/%2Fstats",
    ]


async def test_equal_questions_are_one_request(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    adapter = connect(proxy.address)
    questions = [*states(*("jobs",) * 500), *(matching("^jobs$"),) * 500]
    answers = await adapter.answer(questions)
    assert answers == [answers[0]] * 500 + [(answers[0],)] * 500
    assert len(proxy.requests) == 2


async def test_a_virtual_host_of_many_queues_comes_in_pages_and_then_in_one_piece(
    connect: Connect, broker: RabbitmqServer, many: str, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    adapter = connect(proxy.address)
    patterns = [matching("^Q1", 500, many), matching("^q", 500, many)]
    for pages in ([1, 2], []):
        proxy.requests.clear()
        answers = await adapter.answer([*states(*MANY_QUEUES, "none", vhost=many), *patterns])
        *found, none, some, all_ = answers
        assert lengths(found) == [0] * len(MANY_QUEUES)
        assert isinstance(none, Misconfigured)
        assert len(some) == 111
        assert "more queues than can be recovered at once" in str(all_)
        listings = [one for one in proxy.requests if "/queues/many?" in one and "use_regex" not in one]
        assert len(listings) == len(pages or [0])
        assert [n for n in (1, 2) if any(f"?page={n}&" in one for one in listings)] == pages


async def test_few_of_many_queues_are_asked_one_by_one(
    connect: Connect, broker: RabbitmqServer, many: str, proxy_for: ProxyFor
) -> None:
    """As few as one in fifty; how many there are is known from the last listing, for a while."""
    proxy = await proxy_for(broker.ports[1])
    ten = states(*MANY_QUEUES[:10], vhost=many)
    one_by_one = [f"GET /api/queues/many/q{n}" for n in range(10)]
    for adapter, expected in ((connect(proxy.address), one_by_one), (forgetful(proxy.address, broker), None)):
        for _ in range(2):
            proxy.requests.clear()
            assert lengths(await adapter.answer(ten)) == [0] * 10
        paths = sorted(one.partition("?")[0] for one in proxy.requests)
        assert paths == (expected or ["GET /api/queues/many"] * 2)
    await adapter.close()


def forgetful(address: str, broker: RabbitmqServer) -> ManagementConnection:
    login = HttpLogin((basic("reader", broker.password),))
    server = ManagementServer(HttpServer(f"http://{address}", login))
    return ManagementConnection(server, Surroundings(timeout_s=5.0), forgotten_s=0.0)


# --- patterns


@pytest.mark.parametrize("is_listed", [False, True], ids=["by the broker", "in the listing"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("jobs", [2, 3]),
        ("^JOBS$", [3]),
        ("^jobs-\\d", [2]),
        ("größe a/b", [1]),
        ("^(jobs|empty)$", [0, 3]),
        ("nothing", []),
        ("^jobs(?!-)", [3]),
    ],
)
async def test_a_pattern_finds_what_the_broker_finds(
    connect: Connect, pattern: str, expected: list[int], is_listed: bool
) -> None:
    """Upper and lower case alike, without anchors; look-aheads are the broker's own."""
    others = states(*MANY) if is_listed else []
    found, *_ = await connect().answer([matching(pattern), *others])
    assert sorted(one.messages for one in found) == expected


@pytest.mark.parametrize("is_listed", [False, True], ids=["by the broker", "in the listing"])
async def test_more_matches_than_a_page_takes_are_a_failure(connect: Connect, is_listed: bool) -> None:
    others = states(*MANY) if is_listed else []
    found, *_ = await connect().answer([matching("jobs", 1), *others])
    assert isinstance(found, Misconfigured)
    assert "regex matches more queues than can be recovered at once (1)" in str(found)


@pytest.mark.parametrize("is_listed", [False, True], ids=["by the broker", "in the listing"])
@pytest.mark.parametrize(("pattern", "limit"), [("(", 100), ("jobs(?!", 501)])
async def test_a_pattern_that_the_broker_refuses_fails_alone(
    connect: Connect, is_listed: bool, pattern: str, limit: int
) -> None:
    others = states(*MANY) if is_listed else states("jobs")
    found, first, *_ = await connect().answer([matching(pattern, limit), *others])
    assert isinstance(found, Malformed)
    assert "400 Bad Request" in str(found)
    assert isinstance(first, QueueStats)


# --- rates


async def test_rates_and_unacknowledged_messages_are_the_brokers(
    connect: Connect, broker: RabbitmqServer
) -> None:
    adapter, queue = connect(), "rated"
    broker.make_queue(queue, 0, VHOST)
    client = example_program("amqp_lite").Broker(f"amqp://admin:{broker.password}@{broker.address}/%2Fstats")
    kept = 0

    async def is_rated() -> bool:
        nonlocal kept
        for _ in range(2):
            client.publish(queue, "x")
        kept += client.get(queue) is not None
        (found,) = await adapter.answer(states(queue))
        is_known = isinstance(found, QueueStats) and found.messages > found.ready
        return is_known and found.published > 0 and found.delivered > 0

    async with asyncio.timeout(60):
        while not await is_rated():  # noqa: ASYNC110 (the broker reckons every 5 s)
            await asyncio.sleep(0.1)
    client.close()
    assert kept > 0
    broker.drop_queue(queue, VHOST)


# --- logins


@pytest.mark.parametrize("wrong", [{"password": "hunter2-wrong"}, {"username": "somebody"}])
@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_whom_the_broker_does_not_know_is_denied(
    connect: Connect, broker: RabbitmqServer, wrong: dict[str, str], names: tuple[str, ...]
) -> None:
    adapter = connect(**wrong)
    for _ in range(2):
        with pytest.raises(Denied, match=broker.management) as caught:
            await adapter.answer(states(*names))
        assert "hunter2" not in str(caught.value)


async def test_a_virtual_host_that_the_user_may_not_see_is_denied_alone(
    connect: Connect, broker: RabbitmqServer
) -> None:
    broker.make_vhost("others")
    answers = await connect().answer([*states("jobs", vhost="others"), *states("jobs")])
    assert isinstance(answers[0], Denied)
    assert lengths(answers[1:]) == [3]


@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_a_virtual_host_that_is_not_there_is_a_failure(
    connect: Connect, names: tuple[str, ...]
) -> None:
    answers = await connect(username="admin").answer(states(*names, vhost="nowhere"))
    assert all(isinstance(one, Misconfigured) for one in answers)
    assert "nowhere" in str(answers[0])


async def test_a_question_of_another_system_is_refused_alone(connect: Connect) -> None:
    other, state = await connect().answer([PodCount("shop", "app=web"), *states("jobs")])
    assert isinstance(other, Unsupported)
    assert lengths([state]) == [3]


async def test_a_token_is_fetched_once_and_sent(connect: Connect) -> None:
    """The broker here takes no tokens: what it is sent is what counts."""
    token = json.dumps({"access_token": "hunter2-token", "expires_in": 3600}).encode()
    row = json.dumps({"name": "jobs", "messages": 1, "messages_ready": 1}).encode()
    async with faults.answering(token) as idp, faults.answering(row) as api:
        client = OAuthClient(f"http://{idp.address}/token", "c", "hunter2-secret")
        adapter = connect(api.address, login=HttpLogin(oauth=client))
        for _ in range(3):
            assert lengths(await adapter.answer(states("jobs"))) == [1]
    assert idp.heard.count(b"POST /token") == 1
    assert api.heard.count(b"Authorization: Bearer hunter2-token") == 3


# --- TLS


async def test_tls_with_the_brokers_authority(connect: Connect, broker: RabbitmqServer) -> None:
    origin = f"https://{broker.management_tls}"
    for tls in (Tls(ca=broker.ca_text), Tls(is_verified=False)):
        assert lengths(await connect(origin, tls=tls).answer(states("jobs"))) == [3]
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await connect(origin).answer(states("jobs"))


async def test_tls_to_a_plain_port_and_back(connect: Connect, broker: RabbitmqServer) -> None:
    with pytest.raises(Unreachable, match="TLS failed"):
        await connect(f"https://{broker.management}", tls=Tls(is_verified=False)).answer(states("jobs"))
    plain = connect(f"http://{broker.management_tls}")
    try:
        (answer,) = await plain.answer(states("jobs"))
    except Unreachable as error:
        answer = error
    assert isinstance(answer, Unreachable | Malformed)


# --- what a network does


@pytest.mark.parametrize("bad", faults.UNREACHABLE, ids=lambda bad: bad.__name__)
@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_a_bad_server_is_unreachable(
    connect: Connect, bad: Callable[[], Any], names: tuple[str, ...]
) -> None:
    async with bad() as server:
        adapter = connect(server.address, timeout_s=0.3)
        with pytest.raises(Unreachable, match=server.address) as caught:
            await adapter.answer(states(*names))
        assert "hunter2" not in str(caught.value)


async def test_a_name_that_does_not_resolve_is_unreachable(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=faults.NOWHERE):
        await connect(f"{faults.NOWHERE}:15672").answer(states("jobs"))


GOOD = {"name": "jobs", "messages": 1, "messages_ready": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"hunter2-echo",
        b"[]",
        b"{}",
        b"null",
        b"[1, 2]",
        b'{"error": "hunter2-echo"}',
        json.dumps({**GOOD, "messages": "1"}).encode(),
        json.dumps({**GOOD, "messages": -1}).encode(),
        json.dumps({**GOOD, "messages": 1.5}).encode(),
        json.dumps({**GOOD, "message_stats": {"publish_details": {"rate": "fast"}}}).encode(),
        json.dumps({**GOOD, "message_stats": {"publish_details": {"rate": -1}}}).encode(),
        b'{"name": "jobs", "messages": NaN, "messages_ready": 1}',
    ],
)
@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_an_answer_of_another_kind_is_malformed(
    connect: Connect, body: bytes, names: tuple[str, ...]
) -> None:
    async with faults.answering(body) as server:
        answers = await connect(server.address).answer(states(*names))
    for answer in answers:
        assert isinstance(answer, Malformed)
        assert "hunter2" not in str(answer)


@pytest.mark.parametrize(
    "body", [{"name": "jobs"}, {"name": "jobs", "state": "down"}, {**GOOD, "messages": None}]
)
async def test_a_queue_of_which_the_broker_says_nothing_is_no_zero(
    connect: Connect, body: dict[str, Any]
) -> None:
    async with faults.answering(json.dumps(body).encode()) as server:
        (new,) = await connect(server.address).answer(states("jobs"))
    assert isinstance(new, Malformed)
    assert "does not say how many messages" in str(new)
    listed = {"items": [body, {**GOOD, "name": "other"}], "page_count": 1, "total_count": 2}
    async with faults.answering(json.dumps(listed).encode()) as server:
        new, other, *_ = await connect(server.address).answer(states("jobs", "other", "a", "b"))
    assert isinstance(new, Malformed)
    assert lengths([other]) == [1]


@pytest.mark.parametrize("names", [FEW, MANY], ids=["one by one", "listing"])
async def test_an_answer_of_ten_megabytes_is_not_read(connect: Connect, names: tuple[str, ...]) -> None:
    async with faults.huge() as server:
        answers = await connect(server.address).answer(states(*names))
    for answer in answers:
        assert isinstance(answer, Malformed)
        assert "larger than" in str(answer)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("500 Internal Server Error", Unreachable), ("503 Busy", Unreachable), ("403 No", Denied)],
)
async def test_a_server_that_refuses_all_is_told_by_its_status_alone(
    connect: Connect, status: str, kind: type[Exception]
) -> None:
    async with faults.answering(b"hunter2-echo", status) as server:
        with pytest.raises(kind, match=status[:3]) as caught:
            await connect(server.address).answer(states(*MANY))
    assert "hunter2" not in str(caught.value)


async def test_a_broker_that_stalls_is_unreachable_in_time_and_heals(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    adapter = connect(proxy.address, timeout_s=0.5)
    assert lengths(await adapter.answer(states("jobs"))) == [3]
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
        await adapter.answer(states("jobs"))
    proxy.mode = "pass"
    proxy.cut()
    assert lengths(await adapter.answer(states("jobs"))) == [3]


@pytest.mark.parametrize("mode", ["garble", "cut"])
async def test_what_breaks_in_the_middle_is_a_failure_and_heals(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor, mode: str
) -> None:
    proxy = await proxy_for(broker.ports[1])
    adapter = connect(proxy.address)
    assert lengths(await adapter.answer(states(*MANY))) == list(LENGTHS.values())
    if mode == "garble":
        proxy.mode = mode
    else:
        proxy.cut_after = 200
        proxy.cut()
    try:
        answers = await adapter.answer(states(*MANY))
    except Unreachable as error:
        answers = [error]
    assert all(isinstance(one, Unreachable | Malformed) for one in answers)
    proxy.mode, proxy.cut_after = "pass", None
    assert lengths(await adapter.answer(states(*MANY))) == list(LENGTHS.values())


async def test_behind_a_prefix_it_is_asked_there(connect: Connect) -> None:
    async with faults.answering(json.dumps(GOOD).encode()) as server:
        assert lengths(await connect(server.address, prefix="/rabbit").answer(states("jobs"))) == [1]
    assert b"GET /rabbit/api/queues/%2Fstats/jobs?" in server.heard


async def test_closing_is_safe_twice_and_before_opening(connect: Connect) -> None:
    adapter = connect()
    await adapter.close()
    assert lengths(await adapter.answer(states("jobs"))) == [3]
    await adapter.close()
    await adapter.close()
    assert lengths(await adapter.answer(states("jobs"))) == [3]


async def test_a_broker_that_restarts_is_found_again(connect: Connect, broker: RabbitmqServer) -> None:
    adapter = connect()
    assert lengths(await adapter.answer(states("empty"))) == [0]
    broker.stop()
    with pytest.raises(Unreachable):
        await adapter.answer(states("empty"))
    broker.start()
    await until(lambda: "empty" in said(broker), 20.0)
    assert lengths(await adapter.answer(states("empty"))) == [0]
