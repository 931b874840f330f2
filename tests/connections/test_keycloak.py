"""OAuth2 with a real Keycloak, at servers that check its tokens: one of ours, RabbitMQ, Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import HttpFake, answering
from parts.kafka_server import TokenKafka
from parts.keycloak_server import BRIEF, CLIENT, ODD, ODD_SECRET, SECRET, STRANGER, KeycloakServer
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.rabbitmq_server import TokenRabbitmq
from parts.server_process import Servers
from parts.waiting import wait_until
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.connection import HttpConnection
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Polled, Scope
from tidegate.scalers.kafka import KafkaLag
from tidegate.scalers.metrics_api import MetricsApi
from tidegate.scalers.rabbitmq import RabbitmqQueue

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("keycloak")]

ProxyFor = Callable[[int], Awaitable[Proxy]]

# Checking a token costs the servers a request of their own, and the machine may be busy.
PATIENT_S = 20.0
READS = "rabbitmq.read:*/* rabbitmq.tag:monitoring"


@pytest.fixture(scope="module")
def keycloak(servers: Servers) -> KeycloakServer:
    return servers.get(KeycloakServer)


@pytest.fixture
async def front(keycloak: KeycloakServer, proxy_for: ProxyFor) -> Proxy:
    """Counts what Keycloak is asked by us alone: servers that check tokens ask it directly."""
    return await proxy_for(keycloak.port)


def built(kind: type[Polled], texts: dict[str, str], auth: dict[str, str]) -> Any:
    trigger = Trigger(type=kind.types[0], metadata=texts)
    made = reading.build(kind, trigger, Sources(texts, {}, auth), Scope("s"))
    assert isinstance(made, kind), made
    return made


def login(
    keycloak: KeycloakServer, front: Proxy, client: str = CLIENT, secret: str = SECRET, scopes: str = "queues"
) -> dict[str, str]:
    uri = keycloak.token_uri.replace(keycloak.address, front.address)
    return {"oauthTokenURI": uri, "clientID": client, "clientSecret": secret, "scopes": scopes}


# --- a server of ours that asks Keycloak about each token


@asynccontextmanager
async def guarded(keycloak: KeycloakServer) -> AsyncIterator[tuple[HttpFake, dict[str, Any]]]:
    """`/7` answers 7 to whom Keycloak lets read `queues`; with the tokens that it was shown."""
    said: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = said.setdefault(token, asyncio.ensure_future(asyncio.to_thread(keycloak.introspect, token)))
        claims = await found
        if not claims["active"]:
            return web.json_response({}, status=401)
        if "queues" not in claims.get("scope", "").split():
            return web.json_response({}, status=403)
        return web.json_response({"n": int(request.path[1:])})

    async with answering(answer) as fake:
        yield fake, said


def page(fake: HttpFake, number: int, auth: dict[str, str], **more: str) -> MetricsApi:
    texts = {"url": f"{fake.origin}/{number}", "valueLocation": "n", "targetValue": "5", "authMode": "oauth"}
    made = built(MetricsApi, {**texts, **more}, auth)
    assert isinstance(made, MetricsApi)
    return made


async def test_a_thousand_triggers_of_a_server_are_one_token_request(
    keycloak: KeycloakServer, front: Proxy
) -> None:
    async with guarded(keycloak) as (fake, shown):
        auth = login(keycloak, front)
        triggers = [page(fake, n % 50, auth, targetValue=str(n + 1)) for n in range(1000)]
        round = await one_round(triggers, timeout_s=PATIENT_S)
        assert round.values == [n % 50 for n in range(1000)]
        assert (len(fake.requests), len(shown)) == (50, 1)
    assert [one.rpartition("/")[2] for one in front.requests] == ["token"]


async def test_a_secret_of_odd_characters_is_understood_at_once(
    keycloak: KeycloakServer, front: Proxy
) -> None:
    async with guarded(keycloak) as (fake, _):
        trigger = page(fake, 7, login(keycloak, front, ODD, ODD_SECRET))
        assert (await one_round([trigger], timeout_s=PATIENT_S)).values == [7]
    assert len(front.requests) == 1


async def test_the_authority_of_a_trigger_is_trusted_at_its_token_server_and_no_other(
    keycloak: KeycloakServer,
) -> None:
    """The server of the number speaks plain: what the trigger says of TLS is for Keycloak alone."""
    ca = faults.authority().cert_pem.bytes().decode()
    async with guarded(keycloak) as (fake, _), faults.in_tls(keycloak.port) as encrypted:
        auth = login(keycloak, encrypted)
        auth["oauthTokenURI"] = auth["oauthTokenURI"].replace("http://", "https://")
        trusting, not_trusting = page(fake, 7, {**auth, "ca": ca}), page(fake, 7, auth)
        unchecked = page(fake, 7, auth, unsafeSsl="true")
        value, told, other = (
            await one_round([trusting, not_trusting, unchecked], timeout_s=PATIENT_S)
        ).values
    assert (value, other) == (7, 7)
    assert f"token server https://{encrypted.address}: its certificate is not trusted" in told


async def test_who_gets_no_token_is_told_why_and_nobody_else_is_asked(
    keycloak: KeycloakServer, front: Proxy
) -> None:
    elsewhere = login(keycloak, front)
    elsewhere["oauthTokenURI"] = elsewhere["oauthTokenURI"].replace(keycloak.token, "nowhere")
    wanted: list[tuple[dict[str, str], str, str, int]] = [
        (
            login(keycloak, front, secret="hunter2-wrong"),
            "Denied",
            "401 Unauthorized (unauthorized_client); check `clientID` and `clientSecret`",
            2,
        ),
        (
            login(keycloak, front, client="nobody"),
            "Denied",
            "401 Unauthorized (invalid_client); check `clientID` and `clientSecret`",
            2,
        ),
        (
            login(keycloak, front, scopes="queues,hunter2-all"),
            "Denied",
            "400 Bad Request (invalid_scope); check `scopes`",
            1,
        ),
        (elsewhere, "Malformed", "404 Not Found; check `oauthTokenURI`", 1),
    ]
    async with guarded(keycloak) as (fake, _):
        for auth, kind, said, asked in wanted:
            before = len(front.requests)
            round = await one_round([page(fake, n, auth) for n in range(100)], timeout_s=PATIENT_S)
            for one in round.readings:
                assert one.failure is not None
                assert one.failure.kind == kind
                assert f"cannot get an OAuth2 token on token server http://{front.address}: {said}" in (
                    one.failure.message
                )
                assert "hunter2" not in one.failure.message
            assert len(front.requests) - before == asked
        assert fake.requests == []


async def test_a_token_that_is_not_enough_is_refused_by_the_server_and_told_apart(
    keycloak: KeycloakServer, front: Proxy
) -> None:
    async with guarded(keycloak) as (fake, _):
        (less,) = (await one_round([page(fake, 1, login(keycloak, front, scopes=""))])).readings
        (stranger,) = (await one_round([page(fake, 1, login(keycloak, front, STRANGER))])).readings
    for one, said in (
        (less, "403 Forbidden; give the user the right"),
        (stranger, "401 Unauthorized; check"),
    ):
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert f"on {fake.origin}: {said}" in one.failure.message


@asynccontextmanager
async def asking(*triggers: MetricsApi) -> AsyncIterator[Callable[[], Awaitable[list[Any]]]]:
    """What one adapter answers to all of them again and again, or the error that it raises."""
    asked: list[Any] = []
    for one in triggers:
        drive(one.measure(ASK, None), lambda question: asked.append(question) or 0)  # type: ignore[arg-type]
    adapter = HttpConnection(asked[0].server, Surroundings(timeout_s=PATIENT_S))

    async def ask() -> list[Any]:
        try:
            return list(await adapter.answer(asked))
        except TidegateError as error:
            return [error]

    try:
        yield ask
    finally:
        await adapter.close()


async def test_a_token_that_ends_is_replaced_before_once_for_all(
    keycloak: KeycloakServer, front: Proxy
) -> None:
    async with guarded(keycloak) as (fake, shown):
        auth = login(keycloak, front, BRIEF)
        rounds = 0
        async with asking(*(page(fake, n, auth) for n in range(20))) as ask:
            while len(shown) < 3:
                assert await ask() == list(range(20))
                rounds += 1
                await asyncio.sleep(0.1)
        # The server never saw one that was over, and each was used for longer than a round.
        assert len(front.requests) == 3
        assert rounds > 3


# --- RabbitMQ


@pytest.fixture(scope="module")
def rabbit(keycloak: KeycloakServer) -> Iterator[TokenRabbitmq]:
    with TokenRabbitmq(keycloak.keys_uri) as own:
        own.make_queue("jobs", 3)
        own.make_queue("mails", 0)

        def is_told() -> bool:
            return [one.get("messages") for one in own.api("GET", "/queues/%2F")] == [3, 0]

        wait_until(is_told, "the broker tells how many messages there are", 20)
        yield own


def queue(address: str, auth: dict[str, str], name: str = "jobs", value: str = "5") -> RabbitmqQueue:
    texts = {"protocol": "http", "queueName": name, "mode": "QueueLength", "value": value}
    made = built(RabbitmqQueue, texts, {"host": f"http://{address}/%2F", **auth})
    assert isinstance(made, RabbitmqQueue)
    return made


async def test_rabbitmq_takes_the_token_and_a_thousand_triggers_share_it(
    keycloak: KeycloakServer, rabbit: TokenRabbitmq, front: Proxy, proxy_for: ProxyFor
) -> None:
    api = await proxy_for(rabbit.ports[1])
    auth = login(keycloak, front, scopes=READS)
    triggers = [queue(api.address, auth, ("jobs", "mails")[n % 2], str(n + 1)) for n in range(1000)]
    round = await one_round(triggers, timeout_s=PATIENT_S)
    assert round.values == [3, 0] * 500
    assert (len(front.requests), len(api.requests)) == (1, 2)


async def test_rabbitmq_refuses_a_token_without_rights_or_for_another(
    keycloak: KeycloakServer, rabbit: TokenRabbitmq, front: Proxy
) -> None:
    wanted = [
        (login(keycloak, front, scopes=""), "401 Unauthorized; check the credentials"),
        (login(keycloak, front, STRANGER, scopes=READS), "401 Unauthorized; check the credentials"),
        (
            login(keycloak, front, secret="hunter2-wrong", scopes=READS),
            "401 Unauthorized (unauthorized_client)",
        ),
    ]
    for auth, said in wanted:
        (one,) = (await one_round([queue(rabbit.management, auth)], timeout_s=PATIENT_S)).readings
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert said in one.failure.message
        assert "hunter2" not in one.failure.message


# --- Kafka


@pytest.fixture(scope="module")
def kafka(keycloak: KeycloakServer) -> Iterator[TokenKafka]:
    """A topic of two partitions with 5 and 6 messages, of which the group has read 1 and 2."""
    with TokenKafka(keycloak.issuer, keycloak.keys_uri) as own:

        async def fill() -> None:
            await own.create(orders=2)
            await own.produce("orders", 5, 6)
            await own.commit("shippers", "orders", 1, 2)

        asyncio.run(fill())
        yield own


def lag(
    kafka: TokenKafka, keycloak: KeycloakServer, front: Proxy, client: str = CLIENT, **more: str
) -> KafkaLag:
    texts = {
        "bootstrapServers": kafka.at("SASL"),
        "consumerGroup": "shippers",
        "topic": "orders",
        "lagThreshold": "5",
    }
    auth = {
        "sasl": "oauthbearer",
        "username": client,
        "password": SECRET,
        "scopes": "queues",
        "oauthTokenEndpointUri": keycloak.token_uri.replace(keycloak.address, front.address),
    }
    auth |= {name: text for name, text in more.items() if name in auth}
    made = built(KafkaLag, {**texts, **{name: more[name] for name in more.keys() - auth.keys()}}, auth)
    assert isinstance(made, KafkaLag)
    return made


async def test_kafka_takes_the_token_and_a_thousand_triggers_are_one_token_request(
    keycloak: KeycloakServer, kafka: TokenKafka, front: Proxy
) -> None:
    triggers = [lag(kafka, keycloak, front, lagThreshold=str(n + 5)) for n in range(1000)]
    round = await one_round(triggers, timeout_s=PATIENT_S)
    assert round.values == [8] * 1000
    assert len(front.requests) == 1


async def test_kafka_refuses_a_token_for_another_and_who_gets_none_is_told_why(
    keycloak: KeycloakServer, kafka: TokenKafka, front: Proxy
) -> None:
    wanted = [
        (lag(kafka, keycloak, front, STRANGER), "the token was not accepted; check `scopes`"),
        (
            lag(kafka, keycloak, front, password="hunter2-wrong"),
            "401 Unauthorized (unauthorized_client); check",
        ),
        (
            lag(kafka, keycloak, front, scopes="hunter2-all"),
            "400 Bad Request (invalid_scope); check `username`",
        ),
    ]
    for trigger, said in wanted:
        (one,) = (await one_round([trigger], timeout_s=PATIENT_S)).readings
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert said in one.failure.message
        assert "hunter2" not in one.failure.message


# --- Keycloak goes and comes back; last, for it comes back with other keys


async def test_a_keycloak_that_comes_back_with_other_keys_costs_one_poll(
    keycloak: KeycloakServer, front: Proxy
) -> None:
    async with guarded(keycloak) as (fake, shown), asking(page(fake, 7, login(keycloak, front))) as ask:
        assert await ask() == [7]
        keycloak.stop()
        try:
            assert await ask() == [7]  # the token is as good as it was
            async with asking(page(fake, 7, login(keycloak, front, BRIEF))) as ask_without:
                (error,) = await ask_without()
            assert isinstance(error, Unreachable)
            assert f"token server http://{front.address}" in str(error)
        finally:
            keycloak.start()
        shown.clear()
        (error,) = await ask()
        assert isinstance(error, Denied)
        assert await ask() == [7]
