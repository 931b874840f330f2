"""Pulsar: pages and subscriptions, logins, redirects and counts, against a fake of its admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import HttpFake, answering, says
from parts.one_round import one_round
from parts.pulsar_fake import FakePulsar, topic
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.testing.sheets import Sample

SAMPLES = {"pulsar": Sample(lambda _: topic({"shipping": 7, "other": 70}))}

SECRET = "hunter2-token"
BEARER = ("token", f"Bearer {SECRET}")


def build(admin: str = "http://pulsar:8080", auth: dict[str, str] | None = None, **metadata: str) -> Any:
    kind = scalers.find("pulsar")
    assert kind is not None
    texts = {"adminURL": admin, "topic": "persistent://shop/prod/orders", "subscription": "s", **metadata}
    sources = Sources(texts, {}, auth or {})
    return reading.build(kind, Trigger(type="pulsar", metadata=texts), sources, Scope("shop"))


@asynccontextmanager
async def pulsar(**fields: Any) -> AsyncIterator[tuple[FakePulsar, HttpFake]]:
    broker = FakePulsar(**fields)
    async with answering(broker.answer) as fake:
        yield broker, fake


@pytest.mark.parametrize(
    ("metadata", "value"),
    [
        ({}, 4),
        ({"topic": "shop/prod/orders"}, 4),
        ({"subscription": "other.one"}, 0),
        ({"topic": "shop/prod/logs", "isPartitionedTopic": "true"}, 11),
        ({"subscription": "gone"}, "have not subscription found! gone"),
        ({"topic": "shop/prod/logs"}, "404, the topic is not found; check `adminURL`, `topic`"),
        ({"isPartitionedTopic": "true"}, "404, the topic is not found"),
    ],
)
async def test_the_backlog_of_one_subscription_counts(metadata: dict[str, str], value: Any) -> None:
    topics = {"shop/prod/orders": {"s": 4, "other.one": 0}}
    async with pulsar(topics=topics, partitioned={"shop/prod/logs": {"s": 11}}) as (_broker, fake):
        (told,) = (await one_round([build(f"{fake.origin}/", **metadata)])).values
    if isinstance(value, str):
        assert value in told
    else:
        assert told == value


async def test_a_thousand_triggers_ask_once_for_each_topic() -> None:
    topics = {f"shop/prod/t{number}": {f"s{one}": one for one in range(50)} for number in range(20)}
    async with pulsar(topics=topics) as (_broker, fake):
        triggers = [
            build(fake.origin, topic=f"shop/prod/t{number % 20}", subscription=f"s{number // 20}")
            for number in range(1000)
        ]
        round = await one_round(triggers)
        assert len(fake.requests) == 20
        assert fake.most <= 16
        assert {one.query["excludeConsumers"] for one in fake.requests} == {"true"}
    assert round.values == [float(number // 20) for number in range(1000)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "the answer holds no subscriptions"),
        ([], "the answer holds no subscriptions"),
        ({"subscriptions": None}, "the answer holds no subscriptions"),
        ({"subscriptions": {"s": None}}, "have not subscription found! s"),
        ({"subscriptions": {"s": {}}}, "where a count was expected"),
        ({"subscriptions": {"s": {"msgBacklog": "4"}}}, "where a count was expected"),
        ({"subscriptions": {"s": {"msgBacklog": -3}}}, "-3 where a count was expected"),
        ({"subscriptions": {"s": {"msgBacklog": 4.5}}}, "4.5 where a count was expected"),
        ("<html>", "the answer is not JSON"),
        ("", "the answer is empty"),
    ],
)
async def test_what_is_no_backlog_is_a_failure_and_never_a_zero(answer: Any, words: str) -> None:
    async with answering(says(answer)) as fake:
        (told,) = (await one_round([build(fake.origin)])).values
    assert words in str(told)


@pytest.mark.parametrize(("status", "phrase"), [(204, "204"), (401, "401"), (403, "403"), (500, "500")])
async def test_any_status_but_200_is_a_failure(status: int, phrase: str) -> None:
    async with answering(says("" if status == 204 else {"reason": SECRET}, status)) as fake:
        (told,) = (await one_round([build(fake.origin)])).values
    assert phrase in told
    assert SECRET not in told


# --- logins


@pytest.mark.parametrize(
    ("metadata", "auth", "method", "login"),
    [
        ({"authModes": "bearer"}, {"bearerToken": SECRET}, "token", f"Bearer {SECRET}"),
        ({"authModes": "basic"}, {"username": "u", "password": "p"}, "basic", "Basic dTpw"),
        ({"authModes": "tls"}, {"cert": "c", "key": "k"}, "tls", None),
        ({"tls": "enable"}, {"cert": "c", "key": "k"}, "tls", None),
        (
            {"tls": "enable", "authModes": "bearer"},
            {"cert": "c", "key": "k", "token": "t"},
            "token",
            "Bearer t",
        ),
        ({}, {"bearerToken": SECRET}, None, None),
        ({"tls": "enable"}, {}, None, None),
    ],
)
async def test_a_login_goes_with_the_word_for_its_kind(
    metadata: dict[str, str], auth: dict[str, str], method: str | None, login: str | None
) -> None:
    async with pulsar(topics={"shop/prod/orders": {"s": 4}}) as (_broker, fake):
        assert (await one_round([build(fake.origin, auth, **metadata)])).values == [4]
        (sent,) = fake.requests
    assert sent.headers.get("X-Pulsar-Auth-Method-Name") == method
    assert sent.headers.get("Authorization") == login


async def test_a_wrong_token_is_denied_and_never_shown() -> None:
    async with pulsar(topics={"shop/prod/orders": {"s": 4}}, logins=(BEARER,)) as (_broker, fake):
        right = build(fake.origin, {"token": SECRET}, authModes="bearer")
        wrong = build(fake.origin, {"token": "hunter2-wrong"}, authModes="bearer")
        value, told = (await one_round([right, wrong])).values
    assert value == 4
    assert "401 Unauthorized" in told
    assert "hunter2" not in told


async def test_a_redirect_is_followed_and_no_login_goes_along() -> None:
    topics = {"shop/prod/orders": {"s": 4}}
    async with (
        pulsar(topics=topics) as (owner, owning),
        pulsar(owner=owning.origin, logins=(BEARER,)) as (_other, fake),
    ):
        trigger = build(fake.origin, {"token": SECRET}, authModes="bearer")
        assert (await one_round([trigger])).values == [4]
        (sent,) = owning.requests
        assert not {"Authorization", "X-Pulsar-Auth-Method-Name"} & set(sent.headers)
        owner.logins = (BEARER,)
        (told,) = (await one_round([trigger])).values
        assert "401 Unauthorized" in told


@pytest.mark.parametrize("secret", ["", "hunter2"])
async def test_a_token_of_a_client_is_fetched_once_for_all(secret: str) -> None:
    forms: list[dict[str, Any]] = []

    async def tokens(request: web.Request) -> web.StreamResponse:
        forms.append(dict(await request.post()))
        if "client_id" not in forms[-1]:
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"access_token": SECRET, "expires_in": 3600})

    topics = {f"shop/prod/t{number}": {"s": number} for number in range(20)}
    async with answering(tokens) as issuer, pulsar(topics=topics, logins=(BEARER,)) as (_broker, fake):
        metadata = {
            "authModes": "oauth",
            "oauthTokenURI": f"{issuer.origin}/token",
            "clientID": "me",
            "scope": "a, b",
            "EndpointParams": "audience=pulsar",
        }
        auth = {"clientSecret": secret} if secret else {}
        triggers = [build(fake.origin, auth, topic=f"shop/prod/t{n}", **metadata) for n in range(20)]
        assert (await one_round(triggers)).values == [float(number) for number in range(20)]
        assert len(issuer.requests) == 2, "with a header, then in the form"
    assert forms[-1].get("client_secret", "") == secret
    assert forms[-1]["scope"] == "a b"
    assert forms[-1]["audience"] == "pulsar"


def test_what_does_less_than_it_says_is_told() -> None:
    oauth = {"authModes": "oauth", "oauthTokenURI": "http://x/t", "clientID": "me"}
    assert [one.path for one in build(**oauth).notices()] == ["clientSecret"]
    pair = {"cert": "c", "key": "k"}
    assert list(build("https://p:1", pair, **{**oauth, "authModes": "oauth,tls"}).notices()) == []
    assert [one.path for one in build(tls="enable").notices()] == ["tls"]
    assert list(build(auth=pair, tls="enable").notices()) == []


# --- settings


@pytest.mark.parametrize(
    ("metadata", "auth", "paths"),
    [
        ({"adminURL": "", "topic": "", "subscription": ""}, {}, ["topic", "subscription", "adminURL"]),
        ({"adminURL": "pulsar:8080"}, {}, ["adminURL"]),
        ({"msgBacklogThreshold": "ten", "activationMsgBacklogThreshold": "1.5"}, {}, None),
        ({"topic": "non-persistent://shop/prod/orders"}, {}, ["topic"]),
        ({"topic": "orders"}, {}, ["topic"]),
        ({"topic": "persistent://shop/orders"}, {}, ["topic"]),
        ({"topic": "other://shop/prod/orders"}, {}, ["topic"]),
        ({"authModes": "bearer,basic"}, {"token": "t", "username": "u"}, ["authModes"]),
        ({"tls": "enable"}, {"cert": "c"}, ["key"]),
        ({"authModes": "oauth"}, {}, ["oauthTokenURI"]),
    ],
)
def test_mistakes_are_told_by_their_setting(
    metadata: dict[str, str], auth: dict[str, str], paths: list[str] | None
) -> None:
    expected = ["msgBacklogThreshold", "activationMsgBacklogThreshold"] if paths is None else paths
    assert [problem.path for problem in build(auth=auth, **metadata)] == expected


def test_the_metric_is_named_after_the_topic_as_written() -> None:
    assert build().metric_name() == "pulsar-persistent---shop-prod-orders-s"
    assert build(topic="a/b/c").metric_name() == "pulsar-a-b-c-s"
    assert (build().metric_target(), build().activation_target()) == (10, 0)


# --- faults


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_bad_server_is_a_failure(fault: Any) -> None:
    async with fault() as bad:
        trigger = build(f"http://{bad.address}", {"token": SECRET}, authModes="bearer")
        (one,) = (await one_round([trigger], timeout_s=0.5)).readings
    assert one.failure is not None
    assert one.failure.kind in ("Unreachable", "Malformed")
    assert SECRET not in one.failure.message


async def test_a_name_that_does_not_resolve_and_ten_megabytes_are_failures() -> None:
    (lost,) = (await one_round([build(f"http://{faults.NOWHERE}:8080")], timeout_s=2)).values
    assert "does not resolve" in lost
    async with faults.huge(b'{"subscriptions": {"', b'": {}}}') as bad:
        (large,) = (await one_round([build(f"http://{bad.address}")], timeout_s=20)).values
    assert "larger than 4 MiB" in large
